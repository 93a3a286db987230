# SPDX-License-Identifier: Apache-2.0
"""The table of numbers does what the samplers do."""

import numpy as np
import pytest

from diffposetalk_ros.diffusion.linear_steps import linear_steps
from diffposetalk_ros.diffusion.samplers import Known, sample
from diffposetalk_ros.diffusion.schedule import make_schedule, step_pairs
from diffposetalk_ros.errors import ConfigError

SCHEDULE = make_schedule('cosine', 500)


def predict(x: np.ndarray, t: int) -> np.ndarray:
    return np.tanh(0.3 * x + t / 500)


def step_noise(t: int) -> np.ndarray:
    return np.random.default_rng(t).standard_normal((2, 3, 5))


@pytest.mark.parametrize('solver', ['ddpm', 'ddim', 'dpmpp_2m'])
@pytest.mark.parametrize('target', ['sample', 'noise'])
@pytest.mark.parametrize('pulled', [False, True])
@pytest.mark.parametrize('steps', [1, 2, 5, 500])
def test_a_loop_over_the_table_is_the_sampler(solver: str, target: str, pulled: bool, steps: int) -> None:
    if target == 'noise' and (solver != 'ddpm' or pulled):
        # x0 divides by sqrt(alpha_bar) = 1e-4 at t = T: compare where that is no question of rounding.
        pairs = [(400, 200), (200, 50), (50, 0)]
    else:
        pairs = step_pairs(500, steps)
    rng = np.random.default_rng(1)
    noise, value = rng.standard_normal((2, 2, 3, 5))
    weight = rng.uniform(size=(2, 3, 1)) if pulled else np.zeros((1, 1, 1))
    known = Known(value, weight) if pulled else None
    expected = sample(solver, predict, noise, SCHEDULE, pairs, step_noise, target, known, 0.3)
    table = linear_steps(solver, SCHEDULE, pairs, target, 0.3, pulled)
    x, before = noise, np.zeros_like(noise)
    for (t, _), (cx, co, nx, nc, nb, nz) in zip(pairs, table, strict=True):
        clean = cx * x + co * predict(x, t)
        clean = clean + weight * (value - clean)
        x, before = nx * x + nc * clean + nb * before + nz * step_noise(t), clean
    np.testing.assert_allclose(x, expected, atol=2e-6, rtol=1e-5)


def test_unknown_words_are_refused() -> None:
    with pytest.raises(ConfigError, match='euler'):
        linear_steps('euler', SCHEDULE, [(500, 0)])
    with pytest.raises(ConfigError, match='velocity'):
        linear_steps('ddim', SCHEDULE, [(500, 0)], 'velocity')
