# SPDX-License-Identifier: Apache-2.0
import numpy as np

from diffposetalk_ros.training.animator.coarticulation import frame_times
from diffposetalk_ros.training.animator.gaze import EYE_CHANNELS, FULL_LOOK, eye_look, gaze_angles
from diffposetalk_ros.training.animator.prosody import prosody
from diffposetalk_ros.training.animator.style import StyleParameters


def look(yaw, down):
    return dict(zip(EYE_CHANNELS, eye_look(np.array([[yaw, down]], np.float32))[0], strict=True))


def test_looking_left_turns_the_left_eye_out_and_the_right_eye_in():
    weights = look(0.3, 0.0)
    assert weights['eyeLookOutLeft'] > 0.4
    assert weights['eyeLookInRight'] > weights['eyeLookOutLeft'], 'the eyes converge'
    assert weights['eyeLookInLeft'] == weights['eyeLookOutRight'] == 0


def test_looking_ahead_converges_on_the_listener():
    weights = look(0.0, 0.0)
    assert weights['eyeLookInLeft'] == weights['eyeLookInRight'] > 0
    distance = 0.0315 / np.tan(weights['eyeLookInLeft'] * FULL_LOOK)
    assert abs(distance - 0.9) < 0.01


def test_down_and_up_are_the_same_in_both_eyes():
    assert look(0.0, 0.3)['eyeLookDownLeft'] == look(0.0, 0.3)['eyeLookDownRight'] > 0.4
    assert look(0.0, -0.3)['eyeLookUpLeft'] > 0.4
    assert look(0.0, 0.3)['eyeLookUpLeft'] == 0


def test_eyes_undo_the_head_and_keep_the_style_s_direction():
    times = frame_times(250)
    voice = prosody(np.zeros(0, np.float32), [(0.0, 10.0, 'AA')], times)
    head = np.zeros((250, 3), np.float32)
    head[:, 1] = 0.1 * np.sin(times)
    style = StyleParameters(gaze_range=0.0, gaze_yaw=0.2, gaze_pitch=0.1)
    angles = gaze_angles(voice, style, head, np.random.default_rng(0))
    np.testing.assert_allclose(angles.mean(axis=0), [0.2, 0.1], atol=1e-3)
    assert np.corrcoef(angles[:, 0], head[:, 1])[0, 1] < -0.99
