# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from diffposetalk_ros.evaluation.alive.measures import head_bands
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
    # It comes up to 0.12 s after the accent, and the head turns a little with it.
    assert 0 <= (peak + 0.5) / 25 - 5.0 < 0.16
    assert rotation[peak, 0] > 0.045
    assert np.abs(rotation[:, 1:]).max() < 0.3 * rotation[peak, 0] and not rotation[:, 2].any()


def test_pace_and_size_follow_the_style():
    def yaw(**values):
        style = StyleParameters(head_nod=0.0, head_turn=1.0, **values)
        runs = [head_rotation(voice_with([], 1000), style, np.random.default_rng(k))[:, 1] for k in range(6)]
        return np.array(runs)

    slow, quick = yaw(head_range=0.1, head_rhythm=0.3), yaw(head_range=0.1, head_rhythm=1.0)
    pace = [
        np.sqrt((np.diff(run) ** 2).sum() / ((run - run.mean(1, keepdims=True)) ** 2).sum())
        for run in (slow, quick)
    ]
    assert pace[1] > 1.8 * pace[0]
    assert yaw(head_range=0.05, head_rhythm=0.45).std() == pytest.approx(
        0.5 * yaw(head_range=0.1, head_rhythm=0.45).std(), rel=1e-3
    )


def test_the_power_lies_where_people_s_does():
    """Four fifths below 1 Hz, one twentieth above 2 Hz; a head that trembles has 0.35 there."""
    runs = [
        head_rotation(voice_with([], 1000), StyleParameters(), np.random.default_rng(k)) for k in range(6)
    ]
    bands = np.mean([head_bands(run, 25.0) for run in runs], axis=0)
    assert bands[:2].sum() > 0.7
    assert bands[3:].sum() < 0.07


def test_head_moves_more_in_speech_than_in_pauses():
    phones = [(0.0, 50.0, 'AA')]
    sound = np.concatenate([np.sin(np.arange(800000)).astype(np.float32), np.zeros(800000, np.float32)])
    voice = prosody(sound, phones, frame_times(2500))
    yaw = head_rotation(voice, StyleParameters(), np.random.default_rng(0))[:, 1]
    speed = np.abs(np.diff(yaw))
    assert speed[:1200].mean() > 1.2 * speed[1300:].mean()
