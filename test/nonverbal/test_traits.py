# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.errors import ConfigError, StyleError
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.nonverbal.signals import SIGNALS, apply_signals, signals_of
from diffposetalk_ros.nonverbal.traits import TRAIT_RANGES, TRAITS, Amounts, Traits, measure_traits


def rounded(frames: int) -> np.ndarray:
    """Motion with as much rounding of the lips, which takes a smile back, as speech has on average."""
    motion = np.zeros((frames, 55), np.float32)
    motion[:, arkit_layout().index('mouthPucker')] = 0.2
    return motion


def moving(seconds: float = 20.0, seed: int = 0) -> np.ndarray:
    """Motion with known levels, spreads and paces."""
    time = np.arange(round(25 * seconds)) / 25
    signals = np.zeros((len(time), len(SIGNALS)), np.float32)
    for k in range(len(SIGNALS)):
        # Left and right of a smile differ less than those of the brows; the test's face is lopsided a little only.
        signals[:, k] = (0.3 if k < 8 else 0.08) + (0.05 if k < 9 else 0.02) * np.sin(
            2 * np.pi * (0.3 + 0.05 * k) * time + seed
        )
    return apply_signals(rounded(len(time)), signals, np.zeros(len(SIGNALS), np.float32))


def test_what_is_applied_is_measured() -> None:
    traits = measure_traits(moving(), 25.0)
    for k, name in enumerate(SIGNALS):
        assert traits[f'{name}_level'] == pytest.approx(0.3 if k < 8 else 0.08, abs=0.01), name
        size = 0.05 if k < 9 else 0.02
        assert traits[f'{name}_spread'] == pytest.approx(size / 2**0.5, rel=0.1), name
        assert traits[f'{name}_pace'] == pytest.approx(2 * np.pi * (0.3 + 0.05 * k), rel=0.05), name


def test_signals_come_back_from_the_motion_they_made() -> None:
    motion = moving()
    again = apply_signals(rounded(len(motion)), signals_of(motion), np.zeros(len(SIGNALS), np.float32))
    np.testing.assert_allclose(again, motion, atol=0.003)


def test_the_articulated_mouth_stays() -> None:
    rng = np.random.default_rng(0)
    motion = rng.uniform(0, 1, (20, 55)).astype(np.float32)
    signals = signals_of(motion)
    level = signals.mean(0)
    out = apply_signals(motion, signals + 0.01, level)
    for column in (
        17,
        18,
        19,
        20,
        31,
        32,
        33,
        34,
        35,
        36,
        46,
        51,
    ):  # jawOpen, mouthClose, funnel, pucker, rolls ...
        np.testing.assert_array_equal(out[:, column], motion[:, column])


def test_traits_are_held_in_their_ranges_and_named() -> None:
    low = Traits(np.full(len(TRAITS), -100.0, np.float32))
    assert [low[name] for name in TRAITS] == pytest.approx([span[0] for span in TRAIT_RANGES.values()])
    assert list(low.as_dict()) == list(TRAITS)
    with pytest.raises(StyleError, match='3 traits'):
        Traits(np.zeros(3, np.float32))
    with pytest.raises(StyleError, match='NaN'):
        Traits(np.full(len(TRAITS), np.nan, np.float32))


def test_amounts_scale_movement_and_leave_levels() -> None:
    traits = measure_traits(moving(), 25.0)
    half = traits.scaled(Amounts(head=0.5, brows=0.0, gaze=2.0, blinks=0.0))
    np.testing.assert_array_equal(half.level, traits.level)
    np.testing.assert_allclose(half.spread[:3], 0.5 * traits.spread[:3])
    assert not half.spread[3:7].any() and half['blink_rate'] == 0
    assert half['gaze_yaw_spread'] == pytest.approx(2 * traits['gaze_yaw_spread'])
    with pytest.raises(ConfigError, match='amount of head 4'):
        Amounts(head=4.0)


def test_too_little_motion_is_refused() -> None:
    with pytest.raises(StyleError, match='0.40 s of motion'):
        measure_traits(np.zeros((10, 55), np.float32), 25.0)


def test_what_blinks_do_to_a_tracker_is_not_the_style() -> None:
    """A tracker scores a blink as a squint and a look down."""
    motion = moving()
    tracked = motion.copy()
    columns = [
        arkit_layout().index(f'{name}{side}')
        for name in ('eyeSquint', 'eyeLookDown')
        for side in ('Left', 'Right')
    ]
    lids = [arkit_layout().index(f'eyeBlink{side}') for side in ('Left', 'Right')]
    for start in range(40, 480, 60):
        for k, shut in enumerate((0.3, 0.65, 0.65, 0.3)):
            tracked[start + k, columns] += 0.6 * shut
            tracked[start + k, lids] = motion[start + k, lids] = shut
    plain, found = measure_traits(motion, 25.0), measure_traits(tracked, 25.0)
    for name in ('squint_level', 'squint_spread', 'squint_pace', 'gaze_pitch_spread'):
        assert found[name] == pytest.approx(plain[name], abs=1e-6), name
    assert tracked[:, columns[:2]].std() > 1.5 * motion[:, columns[:2]].std()
