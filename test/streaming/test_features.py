# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from copy import copy

import numpy as np
import pytest
from analytic_backend import AnalyticBackend, model_config  # noqa: E402
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.streaming.features import LogMelFeatures, WindowedFeatures, feature_stream


def speech(n: int) -> np.ndarray:
    return np.random.default_rng(n).uniform(-0.3, 0.3, n).astype('f4')


@settings(max_examples=25, deadline=None)
@given(st.integers(640, 12000), st.data())
def test_log_mel_features_equal_those_of_the_whole_clip(n, data):
    backend = AnalyticBackend()
    audio = speech(n // 640 * 640)
    features = LogMelFeatures(backend)
    for part in np.split(audio, sorted(data.draw(st.lists(st.integers(0, n), max_size=8)))):
        features.push(part)
    features.finish()
    frames = len(audio) // 640
    assert features.available == frames
    got = [features.read(i, min(i + 3, frames)) for i in range(0, frames, 3)]
    np.testing.assert_allclose(np.concatenate(got), backend.encode_audio(audio[None], frames)[0], atol=1e-6)


def test_each_frame_is_encoded_once_and_may_be_read_again():
    class Counting(AnalyticBackend):
        encoded = 0

        def encode_mel(self, mel):
            out = super().encode_mel(mel)
            self.encoded += out.shape[1]
            return out

    backend = Counting()
    features = LogMelFeatures(backend)
    features.push(speech(640 * 22))
    first = features.read(0, 12)
    np.testing.assert_array_equal(features.read(4, 12), first[4:])
    features.read(10, 20)
    assert backend.encoded == 20


def test_the_end_of_a_copy_changes_nothing_in_the_stream():
    audio = speech(640 * 20)
    whole, looked = (LogMelFeatures(AnalyticBackend(), chunk=4) for _ in range(2))
    for features in (whole, looked):
        features.push(audio[: 640 * 10])
    other = copy(looked)
    other.finish()
    assert (other.available, looked.heard) == (10, 8)
    for features in (whole, looked):
        features.push(audio[640 * 10 :])
    np.testing.assert_array_equal(looked.read(0, 18), whole.read(0, 18))


def test_frames_before_the_end_of_what_is_heard_are_encoded_again_when_more_has_come():
    backend, audio = AnalyticBackend(), speech(640 * 20)
    features, whole = LogMelFeatures(backend), LogMelFeatures(backend)
    whole.push(audio)
    clip = whole.read(0, 16)
    features.push(audio[: 640 * 12])
    early = features.read(8, 12, 12)
    np.testing.assert_array_equal(early[:2], clip[8:10])
    assert np.abs(early[2:] - clip[10:12]).max() > 1e-3, 'their context is not there'
    np.testing.assert_array_equal(early, features.read(8, 12, 12))
    features.push(audio[640 * 12 :])
    np.testing.assert_array_equal(features.read(8, 12, 12), early)
    np.testing.assert_array_equal(features.read(8, 16), clip[8:])


def test_log_mel_frames_wait_for_their_look_ahead_only():
    features = LogMelFeatures(AnalyticBackend())
    features.push(np.zeros(640 * 3 - 1, np.float32))
    assert features.available == 0
    features.push(np.zeros(1, np.float32))
    assert features.available == 1


def test_windowed_features_depend_on_frame_numbers_only():
    backend = AnalyticBackend(model_config('hubert', False))
    audio = speech(640 * 60)
    late, early = WindowedFeatures(backend, 20), WindowedFeatures(backend, 20)
    late.push(audio)
    for i in range(0, len(audio), 777):
        early.push(audio[i : i + 777])
        if early.heard >= 32:
            break
    for features in (late, early):
        features.forget(30)
    np.testing.assert_array_equal(late.read(30, 32, 32), early.read(30, 32, 32))


def test_windowed_features_hear_their_right_context_and_no_more():
    backend = AnalyticBackend(model_config('hubert', False))
    audio = speech(640 * 40)
    long, short = WindowedFeatures(backend, 20, right=3), WindowedFeatures(backend, 20, right=3)
    long.push(audio)
    short.push(audio[: 640 * 33])
    assert (long.heard, short.heard, long.right) == (40, 33, 3)
    np.testing.assert_array_equal(long.read(28, 30), short.read(28, 30))
    assert np.abs(long.read(28, 30, 31) - short.read(28, 30)).max() > 1e-4


@pytest.mark.parametrize('encoder', ['logmel', 'hubert'])
def test_padding_is_the_feature_of_silence(encoder):
    backend = AnalyticBackend(model_config(encoder, False))
    features = feature_stream(backend)
    before = features.padding()
    assert before.shape == (12,) and np.isfinite(before).all()
    features.push(speech(6400))
    features.reset()
    assert features.heard == 0
    np.testing.assert_array_equal(features.padding(), before)


def test_the_wrong_stream_for_a_model_is_refused():
    with pytest.raises(ConfigError, match='hubert'):
        LogMelFeatures(AnalyticBackend(model_config('hubert', False)))
    with pytest.raises(ConfigError, match='context 3'):
        WindowedFeatures(AnalyticBackend(model_config('hubert', False)), 3)
