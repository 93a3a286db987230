# SPDX-License-Identifier: Apache-2.0
"""Gaussian data has an exact denoiser and an exact probability flow: x_0 = scale * x_T."""

from __future__ import annotations

import math

import numpy as np
import pytest

from diffposetalk_ros.diffusion.samplers import Known, clean_prediction, sample
from diffposetalk_ros.diffusion.schedule import make_schedule, step_pairs
from diffposetalk_ros.errors import ConfigError

SCHEDULE = make_schedule('cosine', 500)
SCALE = 0.5


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
    out = sample(solver, exact, x, SCHEDULE, step_pairs(500, steps))
    np.testing.assert_allclose(out, SCALE * x, atol=tolerance * SCALE * 2)


@pytest.mark.parametrize('steps', [500, 100])
def test_ancestral_sampling_has_the_data_variance(steps: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=20000)
    pairs = step_pairs(500, steps)
    out = sample('ddpm', exact, x, SCHEDULE, pairs, step_noise=lambda t: rng.normal(size=20000))
    assert out.std() == pytest.approx(SCALE, rel=0.04)


@pytest.mark.parametrize('solver', ['ddpm', 'ddim', 'dpmpp_2m'])
def test_both_targets_agree(solver: str) -> None:
    x = np.linspace(-2, 2, 9)
    noise = {t: np.random.default_rng(t).normal(size=9) for t in range(501)}
    pairs = [p for p in step_pairs(500, 50) if p[0] < 500]
    clean = sample(solver, exact, x, SCHEDULE, pairs, noise.__getitem__)
    other = sample(solver, exact_noise, x, SCHEDULE, pairs, noise.__getitem__, target='noise')
    np.testing.assert_allclose(clean, other, atol=1e-6)


@pytest.mark.parametrize('target', ['sample', 'noise'])
@pytest.mark.parametrize('solver', ['ddpm', 'ddim', 'dpmpp_2m'])
def test_fully_known_frames_come_back(solver: str, target: str) -> None:
    x, value = np.ones((1, 4, 2)), np.full((1, 4, 2), 0.3)
    weight = np.array([1.0, 1.0, 0.0, 0.0]).reshape(1, 4, 1)
    known = Known(value, weight)
    out = sample(solver, exact, x, SCHEDULE, step_pairs(500, 10), lambda t: 0 * x, target, known)
    np.testing.assert_allclose(out[:, :2], 0.3, atol=1e-9)
    assert np.abs(out[:, 2:] - 0.3).min() > 1e-3


def test_torch_and_numpy_agree() -> None:
    torch = pytest.importorskip('torch')
    x = np.linspace(-2, 2, 9).astype(np.float32)
    for solver in ('ddim', 'dpmpp_2m'):
        a = sample(solver, exact, x, SCHEDULE, step_pairs(500, 8))
        b = sample(solver, exact, torch.from_numpy(x), SCHEDULE, step_pairs(500, 8))
        assert b.dtype == torch.float32
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b.numpy(), atol=1e-6)


def test_wrong_names_are_named() -> None:
    x = np.zeros(1)
    with pytest.raises(ConfigError, match='euler'):
        sample('euler', exact, x, SCHEDULE, [(1, 0)])
    with pytest.raises(ConfigError, match='per-step noise'):
        sample('ddpm', exact, x, SCHEDULE, [(1, 0)])
    with pytest.raises(ConfigError, match='velocity'):
        clean_prediction(SCHEDULE, x, 1, x, 'velocity')
