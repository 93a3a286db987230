# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffposetalk_ros.diffusion.schedule import SPACINGS, make_schedule, timesteps
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
    with pytest.raises(ConfigError, match="spacing 'cubic'"):
        timesteps(20, 4, 'cubic')
    with pytest.raises(ConfigError, match='21 sampling steps'):
        timesteps(20, 21)
    with pytest.raises(ConfigError, match='diff_schedule'):
        make_schedule('square', 10)


def test_quadratic_steps_are_denser_at_little_noise() -> None:
    assert timesteps(500, 2, 'quadratic') == [(500, 125), (125, 0)]
    assert [t for t, _ in timesteps(500, 4, 'quadratic')] == [500, 281, 125, 31]


@given(st.integers(1, 600), st.data())
def test_steps_go_down_one_by_one_or_faster(total: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, total))
    for spacing in SPACINGS:
        pairs = timesteps(total, count, spacing)
        assert len(pairs) == count and pairs[0][0] == total and pairs[-1][1] == 0
        assert all(t > following for t, following in pairs)
        assert all(a[1] == b[0] for a, b in pairwise(pairs))
