# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.nonverbal.marginals import Marginals, pace_behind
from diffposetalk_ros.nonverbal.signals import SIGNALS

INNER, OUTER, DOWN, SQUINT, SMILE = (
    SIGNALS.index(name) for name in ('brow_inner', 'brow_outer', 'brow_down', 'squint', 'smile')
)


def drawn(count: int, seed: int = 0) -> np.ndarray:
    """Positions as the network draws them: mean 0, deviation 1, brows, squint and smile skewed."""
    normal = np.random.default_rng(seed).standard_normal((count, len(SIGNALS)))
    skewed = (np.exp(0.36 * normal - 0.36**2 / 2) - 1) / np.sqrt(np.exp(0.36**2) - 1)
    return np.where(np.isin(np.arange(len(SIGNALS)), (INNER, OUTER, DOWN, SQUINT, SMILE)), skewed, normal)


def made(level: float, spread: float, count: int = 6000) -> np.ndarray:
    ones = np.ones(len(SIGNALS), np.float32)
    marginals = Marginals(level * ones, spread * ones)
    return np.stack([marginals.weights(row) for row in drawn(count).astype(np.float32)])


@pytest.mark.parametrize(('level', 'spread'), [(0.4, 0.05), (0.1, 0.06), (0.08, 0.12), (0.85, 0.1)])
def test_level_and_spread_arrive_within_the_bounds(level: float, spread: float) -> None:
    weights = made(level, spread)
    for column in (INNER, OUTER, SMILE):
        assert weights[:, column].mean() == pytest.approx(level, rel=0.05)
        assert weights[:, column].std() == pytest.approx(spread, rel=0.1)
    for column in (DOWN, SQUINT):
        assert weights[:, column].std() == pytest.approx(spread, rel=0.25)
    assert weights[:, 3:8].min() >= 0 and weights[:, 3:8].max() <= 1
    np.testing.assert_allclose(weights[:, :3], level + spread * drawn(6000)[:, :3], atol=1e-5)


def test_what_moves_rarely_moves_in_spells() -> None:
    smile = made(0.08, 0.12)[:, SMILE]
    away = smile - smile.mean()
    assert (away**3).mean() / smile.std() ** 3 > 1.5
    calm = made(0.4, 0.05)[:, SMILE]
    assert abs(((calm - calm.mean()) ** 3).mean() / calm.std() ** 3) < 0.3


def test_raised_brows_neither_frown_nor_squint() -> None:
    weights = made(0.3, 0.08)
    assert np.corrcoef(weights[:, OUTER], weights[:, DOWN])[0, 1] < -0.4
    assert np.corrcoef(weights[:, OUTER], weights[:, SQUINT])[0, 1] < -0.25
    assert np.corrcoef(weights[:, DOWN], weights[:, SQUINT])[0, 1] > 0.2


def test_no_movement_is_no_movement() -> None:
    weights = made(0.2, 0.0, 200)
    assert np.ptp(weights, axis=0).max() < 1e-6


def test_the_pace_behind_a_smooth_weight_is_its_own_and_behind_spells_slower() -> None:
    ones = np.ones(len(SIGNALS), np.float32)
    calm, spells = (
        pace_behind(4 * ones, 0.4 * ones, 0.05 * ones),
        pace_behind(4 * ones, 0.05 * ones, 0.1 * ones),
    )
    np.testing.assert_array_equal(calm[:3], 4)
    assert calm[SMILE] == pytest.approx(4, rel=0.06) and spells[SMILE] < 3.6
