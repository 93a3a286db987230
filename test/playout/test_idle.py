# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.layout import arkit_layout, flame_layout
from diffposetalk_ros.playout.idle import IdleConfig, IdleMotion

LAYOUT = arkit_layout()
TIME = np.arange(0, 120, 0.02)


def track(seed: int = 0) -> np.ndarray:
    idle = IdleMotion(LAYOUT, seed)
    return np.stack([idle.at(t) for t in TIME])


def test_it_is_a_function_of_seed_and_time():
    idle = IdleMotion(LAYOUT, 1)
    forwards = [idle.at(t) for t in (0.0, 5.0, 1000.0)]
    backwards = [IdleMotion(LAYOUT, 1).at(t) for t in (1000.0, 5.0, 0.0)]
    np.testing.assert_array_equal(forwards, backwards[::-1])
    assert np.abs(track(1) - track(2)).max() > 0.1


def test_the_eyes_blink_at_a_human_rate_and_both_close():
    motion = track()
    left = motion[:, LAYOUT.index('eyeBlinkLeft')]
    np.testing.assert_array_equal(left, motion[:, LAYOUT.index('eyeBlinkRight')])
    blinks = ((left[1:] > 0.5) & (left[:-1] <= 0.5)).sum()
    assert 25 <= blinks <= 45  # two minutes
    assert left.max() > 0.9
    assert (left > 0).mean() < 0.15


def test_the_mouth_rests_and_values_stay_in_range():
    motion = track()
    mouth = [i for i, name in enumerate(LAYOUT.names) if name.startswith(('jaw', 'mouth', 'tongue'))]
    assert not motion[:, mouth].any()
    assert motion[:, :52].min() >= 0 and motion[:, :52].max() <= 1
    assert np.abs(motion[:, 52:]).max() < 0.06


def test_both_eyes_look_the_same_way():
    motion = track()
    for a, b in (('eyeLookOutLeft', 'eyeLookInRight'), ('eyeLookInLeft', 'eyeLookOutRight')):
        np.testing.assert_array_equal(motion[:, LAYOUT.index(a)], motion[:, LAYOUT.index(b)])
    assert motion[:, LAYOUT.index('eyeLookOutLeft')].max() > 0.05


def test_the_head_never_stands_still_and_never_jumps():
    head = track()[:, 52:]
    speed = np.abs(np.diff(head, axis=0)) / 0.02
    assert 0.001 < speed.max() < 0.05  # rad/s
    assert head.std(axis=0).min() > 0.002


def test_flame_gets_the_head_only():
    layout = flame_layout()
    row = IdleMotion(layout).at(3.3)
    assert row.shape == (54,)
    assert row[layout.head_rotation].any()
    assert not np.delete(row, layout.head_rotation).any()
    assert not IdleMotion(flame_layout(False)).at(3.3).any()


def test_absurd_periods_are_refused():
    with pytest.raises(ConfigError, match='0.1 s'):
        IdleConfig(blink_period=0.1)
