# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from diffposetalk_ros.training.animator.coarticulation import frame_times
from diffposetalk_ros.training.animator.head import head_rotation
from diffposetalk_ros.training.animator.prosody import Prosody, prosody
from diffposetalk_ros.training.animator.style import StyleParameters

CALM = StyleParameters(head_range=0.0, head_nod=0.0)


def voice_with(accents, frames=250):
    times = frame_times(frames)
    ones = np.ones(frames, np.float32)
    return Prosody(times, ones, ones, 0 * ones, tuple(accents), ())


def test_posture_is_the_style_s_baseline():
    style = replace(CALM, head_pitch=0.1, head_yaw=-0.2, head_roll=0.05)
    rotation = head_rotation(voice_with([]), style, np.random.default_rng(0))
    np.testing.assert_allclose(rotation.mean(axis=0), [0.1, -0.2, 0.05], atol=0.002)


def test_an_accent_nods_downwards():
    """+x turns forward (z) towards down (-y), so a nod is a rise of the first component."""
    style = replace(CALM, head_nod=0.1)
    rotation = head_rotation(voice_with([(5.0, 1.0)]), style, np.random.default_rng(0))
    peak = rotation[:, 0].argmax()
    assert abs((peak + 0.5) / 25 - 5.0) < 0.08
    assert rotation[peak, 0] > 0.08
    assert np.abs(rotation[:, 1:]).max() < 1e-6


@pytest.mark.parametrize('rhythm', [0.3, 0.6, 1.2])
def test_sway_has_the_style_s_rhythm_and_range(rhythm):
    style = StyleParameters(head_range=0.1, head_rhythm=rhythm, head_nod=0.0, head_turn=1.0)
    yaw = head_rotation(voice_with([], 2500), style, np.random.default_rng(1))[:, 1]
    power = np.abs(np.fft.rfft(yaw - yaw.mean())) ** 2
    centre = (np.fft.rfftfreq(len(yaw), 1 / 25) * power).sum() / power.sum()
    assert centre == pytest.approx(rhythm, rel=0.25)
    assert yaw.std() == pytest.approx(0.11, rel=0.15)


def test_head_moves_more_in_speech_than_in_pauses():
    phones = [(0.0, 50.0, 'AA')]
    sound = np.concatenate([np.sin(np.arange(800000)).astype(np.float32), np.zeros(800000, np.float32)])
    voice = prosody(sound, phones, frame_times(2500))
    yaw = head_rotation(voice, StyleParameters(), np.random.default_rng(0))[:, 1]
    assert yaw[:1200].std() > 1.5 * yaw[1300:].std()
