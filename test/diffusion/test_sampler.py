# SPDX-License-Identifier: Apache-2.0
"""Gaussian data has an exact denoiser and an exact probability flow: x_0 = scale * x_T."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from diffposetalk_ros.diffusion import sampler
from diffposetalk_ros.diffusion.sampler import Inpainting, solver_coefficients
from diffposetalk_ros.diffusion.schedule import make_schedule, timesteps
from diffposetalk_ros.errors import ConfigError

SCHEDULE = make_schedule('cosine', 500)
SCALE = 0.5


def sample(
    solver: str,
    predict: sampler.Predict,
    noise: Any,
    steps: list[tuple[int, int]],
    step_noise: sampler.StepNoise | None = None,
    target: str = 'sample',
    inpainting: Inpainting | None = None,
) -> Any:
    rows = solver_coefficients(solver, SCHEDULE, steps, target, inpainted=inpainting is not None)
    return sampler.sample(predict, noise, steps, rows, step_noise, inpainting)


def exact(x: np.ndarray, t: int) -> np.ndarray:
    bar = SCHEDULE.alpha_bars[t]
    return math.sqrt(bar) * SCALE**2 / (bar * SCALE**2 + 1 - bar) * x


def exact_noise(x: np.ndarray, t: int) -> np.ndarray:
    bar = SCHEDULE.alpha_bars[t]
    return (x - math.sqrt(bar) * exact(x, t)) / math.sqrt(1 - bar)


@pytest.mark.parametrize(('solver', 'steps', 'tolerance'), [
    ('ddim', 500, 2e-2), ('ddim', 50, 6e-2), ('dpmpp_2m', 50, 2e-2), ('dpmpp_2m', 16, 8e-2),
])  # fmt: skip
def test_deterministic_solvers_follow_the_flow(solver: str, steps: int, tolerance: float) -> None:
    x = np.linspace(-2, 2, 9)
    out = sample(solver, exact, x, timesteps(500, steps))
    np.testing.assert_allclose(out, SCALE * x, atol=tolerance * SCALE * 2)


@pytest.mark.parametrize('steps', [500, 100])
def test_ancestral_sampling_has_the_data_variance(steps: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=20000)
    pairs = timesteps(500, steps)
    out = sample('ddpm', exact, x, pairs, step_noise=lambda t: rng.normal(size=20000))
    assert out.std() == pytest.approx(SCALE, rel=0.04)


@pytest.mark.parametrize('solver', ['ddpm', 'ddim', 'dpmpp_2m'])
def test_both_targets_agree(solver: str) -> None:
    x = np.linspace(-2, 2, 9)
    noise = {t: np.random.default_rng(t).normal(size=9) for t in range(501)}
    pairs = [p for p in timesteps(500, 50) if p[0] < 500]
    clean = sample(solver, exact, x, pairs, noise.__getitem__)
    other = sample(solver, exact_noise, x, pairs, noise.__getitem__, target='noise')
    np.testing.assert_allclose(clean, other, atol=1e-6)


@pytest.mark.parametrize('target', ['sample', 'noise'])
@pytest.mark.parametrize('solver', ['ddpm', 'ddim', 'dpmpp_2m'])
def test_fully_known_frames_come_back(solver: str, target: str) -> None:
    x, value = np.ones((1, 4, 2)), np.full((1, 4, 2), 0.3)
    weight = np.array([1.0, 1.0, 0.0, 0.0]).reshape(1, 4, 1)
    inpainting = Inpainting(value, weight)
    out = sample(solver, exact, x, timesteps(500, 10), lambda t: 0 * x, target, inpainting)
    np.testing.assert_allclose(out[:, :2], 0.3, atol=1e-9)
    assert np.abs(out[:, 2:] - 0.3).min() > 1e-3


def test_torch_and_numpy_agree() -> None:
    torch = pytest.importorskip('torch')
    x = np.linspace(-2, 2, 9).astype(np.float32)
    for solver in ('ddim', 'dpmpp_2m'):
        a = sample(solver, exact, x, timesteps(500, 8))
        b = sample(solver, exact, torch.from_numpy(x), timesteps(500, 8))
        assert b.dtype == torch.float32
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b.numpy(), atol=1e-6)


def test_ancestral_steps_are_the_posterior_of_ho_et_al() -> None:
    """q(x_{t-1} | x_t, x_0) of Ho et al. 2020, eq. 7, with the smaller variance."""
    (row,) = solver_coefficients('ddpm', SCHEDULE, [(300, 299)])
    beta, alpha = SCHEDULE.betas[300], SCHEDULE.alphas[300]
    bar, bar_prev = SCHEDULE.alpha_bars[300], SCHEDULE.alpha_bars[299]
    assert row.next_clean == pytest.approx(math.sqrt(bar_prev) * beta / (1 - bar), rel=1e-4)
    assert row.next_x == pytest.approx(math.sqrt(alpha) * (1 - bar_prev) / (1 - bar), rel=1e-4)
    assert row.next_noise == pytest.approx(math.sqrt((1 - bar_prev) / (1 - bar) * beta), rel=1e-4)
    (flexible,) = solver_coefficients('ddpm', SCHEDULE, [(300, 299)], flexibility=1.0)
    assert flexible.next_noise == pytest.approx(math.sqrt(beta), rel=1e-4)


def test_wrong_settings_are_named() -> None:
    steps = timesteps(500, 2)
    with pytest.raises(ConfigError, match='euler'):
        solver_coefficients('euler', SCHEDULE, steps)
    with pytest.raises(ConfigError, match='velocity'):
        solver_coefficients('ddim', SCHEDULE, steps, 'velocity')
    with pytest.raises(ConfigError, match='needs noise for its steps'):
        sample('ddpm', exact, np.zeros(1), steps)
