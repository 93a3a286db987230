# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from diffposetalk_ros.diffusion.schedule import make_schedule, timesteps
from diffposetalk_ros.errors import ConfigError


def test_cosine_values_of_the_reference() -> None:
    schedule = make_schedule('cosine', 500)
    assert schedule.steps == 500
    assert schedule.betas[1] == pytest.approx(1e-4)
    assert schedule.betas[2] == pytest.approx(1.0681e-4, rel=1e-4)
    assert schedule.betas[500] == pytest.approx(0.999)
    assert schedule.alpha_bars[500] == pytest.approx(9.714e-9, rel=1e-3)
    assert (schedule.alpha_bars[0], schedule.sigmas_inflex[1]) == (1.0, 0.0)


@pytest.mark.parametrize('name', ['linear', 'quadratic', 'sigmoid', 'cosine'])
def test_step_over_a_subset_composes_neighbours(name: str) -> None:
    schedule = make_schedule(name, 50)
    product = 1.0
    for t in range(11, 21):
        product *= schedule.transition(t, t - 1)
    assert schedule.transition(20, 10) == pytest.approx(product, rel=1e-5)
    assert schedule.sigma(20, 19, 1.0) == schedule.sigmas_flex[20]
    assert schedule.sigma(20, 10, 0.0) < schedule.sigma(20, 10, 1.0)


def test_timesteps_cover_the_range() -> None:
    assert timesteps(500, 8)[0] == (500, 438)
    assert timesteps(500, 8)[-1] == (62, 0)
    assert timesteps(20, 20) == [(t, t - 1) for t in range(20, 0, -1)]
    with pytest.raises(ConfigError, match='21 sampling steps'):
        timesteps(20, 21)
    with pytest.raises(ConfigError, match='diff_schedule'):
        make_schedule('square', 10)
