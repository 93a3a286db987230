# SPDX-License-Identifier: Apache-2.0
"""What moves with the articulated mouth: the corners that a vowel draws apart are shown mostly as a smile."""

from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.nonverbal.signals import spread_as_smile

COLUMN = arkit_layout().index


def frame(**values: float) -> np.ndarray:
    motion = np.zeros((1, 55), np.float32)
    for name, value in values.items():
        motion[:, COLUMN(name)] = value
    return motion


def test_a_spread_vowel_is_mostly_a_smile() -> None:
    shown = spread_as_smile(frame(mouthStretchLeft=0.4, mouthStretchRight=0.2, jawOpen=0.3))
    assert shown[0, COLUMN('mouthStretchLeft')] == pytest.approx(0.06)
    assert shown[0, COLUMN('mouthSmileLeft')] == pytest.approx(0.34 * 0.94)
    assert shown[0, COLUMN('mouthStretchRight')] == pytest.approx(0.03)
    assert shown[0, COLUMN('mouthSmileRight')] == pytest.approx(0.17 * 0.94)
    assert shown[0, COLUMN('jawOpen')] == pytest.approx(0.3)


def test_a_frown_keeps_the_corners_down() -> None:
    shown = spread_as_smile(frame(mouthStretchLeft=0.4, mouthFrownLeft=0.4))
    assert shown[0, COLUMN('mouthSmileLeft')] == 0
    assert shown[0, COLUMN('mouthStretchLeft')] == pytest.approx(0.4)


def test_a_full_smile_has_no_room_for_more() -> None:
    shown = spread_as_smile(frame(mouthStretchLeft=0.8, mouthSmileLeft=0.9))
    assert shown[0, COLUMN('mouthSmileLeft')] == pytest.approx(1.0)
    assert 0 < shown[0, COLUMN('mouthStretchLeft')] < 0.8


def test_the_given_motion_is_left_alone() -> None:
    motion = frame(mouthStretchLeft=0.4)
    spread_as_smile(motion)
    assert motion[0, COLUMN('mouthStretchLeft')] == np.float32(0.4)
