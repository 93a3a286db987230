# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from copy import copy

import numpy as np
import pytest

from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.nonverbal.blinks_and_gaze import EYE_CHANNELS, EyeProcess
from diffposetalk_ros.nonverbal.eye_measures import Blink, blink_events, gaze_changes, gaze_of
from diffposetalk_ros.nonverbal.traits import TRAITS, Traits

COLUMNS = [arkit_layout().index(name) for name in EYE_CHANNELS]
STILL = np.zeros(3, np.float32)


def traits(**values: float) -> Traits:
    usual = {
        'blink_rate': 20.0, 'blink_duration': 0.165, 'lid_level': 0.05, 'gaze_rate': 50.0, 'gaze_yaw_spread': 0.09,
        'gaze_pitch_spread': 0.05,
    }  # fmt: skip
    return Traits(np.array([(usual | values).get(name, 0.0) for name in TRAITS], np.float32))


def eyes(wanted: Traits, seconds: float, seed: int = 0, pause: float = 0.8) -> np.ndarray:
    """Motion of somebody who speaks for 4 s less the pause, again and again."""
    process = EyeProcess(seed, 0, 25.0)
    motion = np.zeros((round(25 * seconds), 55), np.float32)
    for k in range(len(motion)):
        motion[k, COLUMNS] = process.frame(wanted, STILL, float((k / 25) % 4 < 4 - pause), 0.0)
    return motion


@pytest.fixture(scope='module')
def blinks() -> list[Blink]:
    return blink_events(eyes(traits(), 600.0), 25.0)


def test_blinks_look_as_people_s_do(blinks: list[Blink]) -> None:
    assert np.mean([blink.well_formed for blink in blinks]) >= 0.95
    assert 0.15 <= np.mean([blink.partial for blink in blinks]) <= 0.40
    low, middle, high = np.quantile([blink.duration for blink in blinks], [0.1, 0.5, 0.9])
    assert 0.14 <= middle <= 0.20 and high - low >= 0.08


def test_intervals_are_skewed_and_some_blinks_double(blinks: list[Blink]) -> None:
    intervals = np.diff([blink.peak for blink in blinks])
    assert np.mean(intervals) > 1.1 * np.median(intervals)
    assert 0.01 < np.mean(intervals < 0.6) < 0.2


@pytest.mark.parametrize('rate', [0.0, 7.0, 20.0, 45.0])
def test_the_rate_is_the_style_s(rate: float) -> None:
    found = len(blink_events(eyes(traits(blink_rate=rate), 300.0, 3), 25.0)) / 5
    assert found == pytest.approx(rate, abs=4.5)


def test_blinks_gather_where_pauses_begin(blinks: list[Blink]) -> None:
    """The half second after the beginning of a pause is an eighth of the time."""
    phase = np.array([blink.peak for blink in blinks]) % 4
    assert np.mean((phase >= 3.2) & (phase < 3.7)) > 1.5 / 8


@pytest.mark.parametrize('rate', [20.0, 50.0, 90.0])
def test_gaze_changes_at_the_style_s_rate_and_comes_back(rate: float) -> None:
    motion = eyes(traits(gaze_rate=rate), 300.0)
    assert len(gaze_changes(motion, 25.0)) / 5 == pytest.approx(rate, rel=0.3)
    gaze = gaze_of(motion)
    np.testing.assert_allclose(gaze.std(0), [0.09, 0.05], rtol=0.25)
    assert 0.3 < np.mean(np.hypot(*gaze.T) < np.radians(4)) < 0.6


def test_both_eyes_look_at_one_point_and_undo_the_head() -> None:
    process = EyeProcess(0, 0, 25.0)
    rows = []
    for k in range(50):
        turned = np.array([0.0, 0.05 * np.sin(k / 4), 0.0], np.float32)
        row = process.frame(traits(gaze_rate=0.0, blink_rate=0.0), turned, 1.0, 0.0)
        rows.append(row)
    motion = np.zeros((50, 55), np.float32)
    motion[:, COLUMNS] = rows
    head = 0.05 * np.sin(np.arange(50) / 4)
    assert np.corrcoef(gaze_of(motion)[10:, 0], head[10:])[0, 1] < -0.9


def test_a_copy_goes_its_own_way_from_the_same_state() -> None:
    process = EyeProcess(0, 0, 25.0)
    for _ in range(100):
        process.frame(traits(), STILL, 1.0, 0.0)
    other = copy(process)
    ahead = [other.frame(traits(), STILL, 1.0, 0.0) for _ in range(50)]
    np.testing.assert_array_equal(ahead, [process.frame(traits(), STILL, 1.0, 0.0) for _ in range(50)])


def test_broken_blinks_are_told_from_whole_ones() -> None:
    motion = np.zeros((300, 55), np.float32)
    lids = [arkit_layout().index(f'eyeBlink{side}') for side in ('Left', 'Right')]
    motion[50:54, lids] = [[0.5, 0.5], [1, 1], [0.6, 0.6], [0.2, 0.2]]
    motion[100:130, lids] = 0.9
    motion[200:206, lids] = np.array([0.8, 0.9, 0.3, 0.3, 0.9, 0.4])[:, None]
    found = blink_events(motion, 25.0)
    assert [blink.well_formed for blink in found] == [True, False, False]
    assert found[0].peak == pytest.approx(51 / 25) and not found[0].partial
