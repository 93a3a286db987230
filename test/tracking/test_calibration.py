# SPDX-License-Identifier: Apache-2.0
"""Scores of a tracker come to mean what the weights of our models mean."""

from __future__ import annotations

import numpy as np
import pytest
from face_tracks import column, make_track
from scipy.spatial.transform import Rotation

from diffposetalk_ros.errors import MotionError, VideoError
from diffposetalk_ros.motion.layout import arkit_layout, flame_layout
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.tracking.calibration import (
    calibrate,
    calibrate_take,
    measure_profile,
    to_clip,
)
from diffposetalk_ros.tracking.landmarks import FEATURES


def _calibrated(**changes: np.ndarray) -> np.ndarray:
    track = make_track(**changes)
    return calibrate(track, measure_profile(track))


def test_a_shut_eye_is_a_blink_of_one_and_an_open_eye_none() -> None:
    features = make_track().features.copy()
    lids = [FEATURES.index('eye_left'), FEATURES.index('eye_right')]
    features[100:104, lids] = 0.07
    values = _calibrated(features=features)
    assert values[100:104, column('eyeBlinkLeft')] == pytest.approx(1.0)
    assert values[:100, column('eyeBlinkRight')] == pytest.approx(0.0, abs=1e-9)


def test_the_bias_of_the_tracker_goes_and_the_look_of_a_person_stays() -> None:
    scores = np.zeros((200, 52))
    scores[:, column('eyeSquintLeft')] = 0.33  # every face at rest has it
    scores[:, column('eyeSquintRight')] = 0.60  # this person narrows that eye
    values = _calibrated(scores=scores)
    assert values[:, column('eyeSquintLeft')] == pytest.approx(0.0, abs=1e-9)
    assert values[:, column('eyeSquintRight')].mean() == pytest.approx((0.6 - 0.33) / (1 - 0.33))


def test_a_steady_smile_is_part_of_the_style() -> None:
    scores = np.zeros((200, 52))
    scores[:, [column('mouthSmileLeft'), column('mouthSmileRight')]] = 0.3
    assert _calibrated(scores=scores)[:, column('mouthSmileLeft')] == pytest.approx(0.3)


def test_a_brow_whose_score_is_dead_is_read_from_its_height() -> None:
    features = make_track().features.copy()
    rising = np.where(np.arange(200) % 50 < 10, 0.05, 0.0)
    features[:, FEATURES.index('brow_inner')] += rising
    values = _calibrated(features=features)
    raised = values[:, column('browInnerUp')]
    assert np.corrcoef(raised, rising)[0, 1] > 0.99
    assert raised.max() == pytest.approx(0.325, abs=0.01)


def test_the_head_is_measured_from_where_the_camera_stands_and_keeps_its_roll() -> None:
    camera = Rotation.from_euler('YX', [30, -12], degrees=True)
    nods = np.radians(8 * np.sin(np.arange(200) / 10))
    roll = np.full(200, np.radians(9))
    motion = Rotation.from_euler('XZ', np.stack([nods, roll], axis=1))
    values = _calibrated(head=(camera * motion).as_rotvec())
    error = (Rotation.from_rotvec(values[:, 52:]).inv() * motion).magnitude()
    assert np.degrees(error).max() < 1.0


def test_eyes_rest_where_they_mostly_look() -> None:
    scores = np.zeros((200, 52))
    scores[:, [column('eyeLookOutLeft'), column('eyeLookInRight')]] = 0.2
    scores[150:, [column('eyeLookOutLeft'), column('eyeLookInRight')]] = 0.6
    values = _calibrated(scores=scores)
    assert values[:150, column('eyeLookOutLeft')] == pytest.approx(0.0)
    assert values[150:, column('eyeLookInRight')] == pytest.approx(0.4)


def test_a_blink_stays_sharp_at_another_rate_and_only_the_head_is_smoothed() -> None:
    values = np.zeros((300, 55))
    values[99:104, column('eyeBlinkLeft')] = 1.0
    values[::2, 52] = 0.01
    clip, known = to_clip(np.arange(300) / 30.0, values)
    assert clip.fps == 25.0 and known.all()
    assert clip.values[:, column('eyeBlinkLeft')].max() == pytest.approx(1.0)
    assert np.abs(np.diff(clip.values[:, 52])).max() < 0.5 * 0.01


def test_a_gap_is_interpolated_and_told() -> None:
    values = np.full((100, 55), 0.2)
    values[40:44] = np.nan  # 0.2 s between the frames around it: bridged
    values[60:80] = np.nan
    clip, known = to_clip(np.arange(100) / 25.0, values)
    assert np.isfinite(clip.values).all() and len(known) == len(clip.values)
    assert known[35:58].all() and not known[62:78].any()


def test_uneven_times_are_kept() -> None:
    times = np.cumsum(np.where(np.arange(200) % 3, 0.02, 0.06))
    values = np.zeros((200, 55))
    values[:, column('jawOpen')] = times / times[-1]
    clip, _ = to_clip(times, values)
    seconds = np.arange(len(clip.values)) / 25.0 + times[0]
    assert clip.values[:, column('jawOpen')] == pytest.approx(seconds / times[-1], abs=1e-3)


def test_no_face_is_an_error_with_a_way_out() -> None:
    track = make_track(scores=np.full((200, 52), np.nan))
    with pytest.raises(VideoError, match='face the camera'):
        measure_profile(track)
    with pytest.raises(VideoError, match='at least two'):
        to_clip(track.times, np.full((200, 55), np.nan))


def test_a_take_of_a_phone_is_mapped_without_landmarks() -> None:
    values = np.zeros((200, 55), np.float32)
    values[:, column('eyeSquintLeft')] = 0.2
    values[100:103, column('eyeBlinkLeft')] = 0.65
    values[:, 53] = 0.4
    arkit = calibrate_take(MotionClip(values, 60.0, arkit_layout()), 'arkit')
    tracker = calibrate_take(MotionClip(values, 60.0, arkit_layout()), 'mediapipe')
    assert arkit.fps == 60.0 and arkit.values[:, 53] == pytest.approx(0.0, abs=1e-6)
    assert arkit.values[:, column('eyeSquintLeft')].max() == pytest.approx(0.0)
    assert arkit.values[101, column('eyeBlinkLeft')] == pytest.approx(0.65, abs=0.01)
    assert tracker.values[101, column('eyeBlinkLeft')] == pytest.approx(1.0)
    with pytest.raises(MotionError, match='flame'):
        calibrate_take(MotionClip(np.zeros((9, 54)), 25.0, flame_layout()), 'arkit')
