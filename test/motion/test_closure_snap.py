# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.closure_snap import snap_closures, snapped
from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES
from diffposetalk_ros.motion.rig import load_rig

RIG = load_rig()
JAW, CLOSE = (ARKIT_BLENDSHAPES.index(name) for name in ('jawOpen', 'mouthClose'))


def test_small_openings_vanish_and_large_ones_stay() -> None:
    opening = np.array([-0.1, 0.0, 0.5, 0.8, 1.6, 2.4, 9.0], np.float32)
    np.testing.assert_allclose(snapped(opening, 0.8), [0, 0, 0, 0, 1.2, 2.4, 9.0], atol=1e-6)
    assert (np.diff(snapped(np.linspace(0, 5, 200, dtype=np.float32), 0.8)) >= 0).all()


def test_lips_that_nearly_touch_touch() -> None:
    motion = np.zeros((3, 55), np.float32)
    motion[:, JAW] = [0.03, 0.03, 0.5]
    motion[:, CLOSE] = [0.0, 0.02, 0.0]
    assert 0.4 < RIG.lip_opening(motion[:, :52])[0] < 1.2
    shown = snap_closures(RIG, motion)
    assert (RIG.lip_opening(shown[:2, :52]) < 0.3).all()
    changed = np.argwhere(shown != motion)
    assert set(changed[:, 1]) == {CLOSE} and set(changed[:, 0]) == {0, 1}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_nothing_crosses_that_did_not(seed: int) -> None:
    motion = np.random.default_rng(seed).uniform(0, 0.06, (8, 55)).astype(np.float32)
    upper, lower = RIG.lip_pairs

    def gaps(values: np.ndarray) -> np.ndarray:
        points = RIG.vertices(values[:, :52])
        return np.asarray(points[:, upper, 1] - points[:, lower, 1])

    before, after = gaps(motion), gaps(snap_closures(RIG, motion))
    assert (after >= np.minimum(before, -0.02) - 0.05).all()
    assert (after <= before + 1e-4).all()


def test_it_can_be_switched_off_and_has_bounds() -> None:
    motion = np.full((2, 55), 0.02, np.float32)
    assert snap_closures(RIG, motion, 0.0) is motion
    with pytest.raises(ConfigError, match='-1'):
        snap_closures(RIG, motion, -1)
