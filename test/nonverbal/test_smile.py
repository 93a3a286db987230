# SPDX-License-Identifier: Apache-2.0
"""Spread vowels are shown mostly as a smile; a style's smile is the sum of both."""

from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.model.loader import named_styles
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.nonverbal.smile import smile_beside_speech, spread_as_smile
from diffposetalk_ros.nonverbal.traits import TRAITS, Traits
from diffposetalk_ros.util.resources import find_model

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


def vowels(strength: float) -> np.ndarray:
    """Motion of 4 s at 25 frames/s whose lips are spread again and again."""
    return np.concatenate([frame(mouthStretchLeft=x, mouthStretchRight=x) for x in WAVE * strength])


WAVE = (1 + np.sin(np.arange(100) / 2)) / 2
SMILING = Traits(named_styles(find_model())['neutral'][-len(TRAITS) :]).replaced('smile_level', 0.4)


def test_both_parts_add_up_to_the_smile_of_the_person() -> None:
    person = SMILING.replaced('smile_spread', 0.2).replaced('smile_pace', 8.0)
    part = (0.85 * 0.94 * 0.3) * WAVE
    beside = smile_beside_speech(person, vowels(0.3), 25.0)
    speed = np.sqrt((((part[2:] - part[:-2]) * 12.5) ** 2).mean())
    assert beside['smile_level'] == pytest.approx(0.4 - part.mean(), abs=1e-4)
    assert beside['smile_spread'] ** 2 + part.var() == pytest.approx(0.2**2, rel=1e-3)
    assert (beside['smile_spread'] * beside['smile_pace']) ** 2 + speed**2 == pytest.approx(1.6**2, rel=1e-3)
    assert {name for name, value in beside.as_dict().items() if value != person[name]} == {
        'smile_level', 'smile_spread', 'smile_pace',
    }  # fmt: skip


def test_what_vowels_spread_beyond_the_person_leaves_a_little() -> None:
    person = SMILING.replaced('smile_level', 0.05).replaced('smile_spread', 0.05).replaced('smile_pace', 4.0)
    beside = smile_beside_speech(person, vowels(0.8), 25.0)
    assert beside['smile_level'] == 0
    assert beside['smile_spread'] == pytest.approx(0.3 * 0.05)
    assert beside['smile_pace'] == pytest.approx(4.0)


def test_without_vowels_the_smile_is_the_person_s() -> None:
    assert smile_beside_speech(SMILING, vowels(0.0), 25.0).as_dict() == pytest.approx(SMILING.as_dict())
