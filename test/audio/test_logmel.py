# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.audio.logmel import (
    LogMelStream,
    mel_filterbank,
    mel_power,
    normalise,
    normalised_log_mel,
)
from diffposetalk_ros.errors import AudioError


def _noise(seconds: float, level: float = 0.1) -> np.ndarray:
    return np.random.default_rng(0).normal(0, level, int(16000 * seconds)).astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=12))
def test_stream_equals_whole_clip_however_it_is_cut(blocks: list[int]) -> None:
    audio = _noise(sum(blocks) * 0.04)
    stream = LogMelStream(64)
    edges = np.cumsum([0, *blocks]) * 640
    pieces = [stream.push(audio[a:b]) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    np.testing.assert_allclose(np.concatenate(pieces), normalised_log_mel(audio), atol=2e-6)


def test_frame_depends_on_no_later_sample() -> None:
    audio = _noise(1.0)
    changed = audio.copy()
    changed[8000:] = 0.0
    before, after = normalised_log_mel(audio), normalised_log_mel(changed)
    assert np.array_equal(before[:50], after[:50])
    assert not np.allclose(before[50], after[50])


def test_tone_lands_in_its_band() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    band = int(mel_power(tone).mean(0).argmax())
    peak_hz = mel_filterbank(64)[band].argmax() * 16000 / 512
    assert abs(peak_hz - 1000) < 60


def test_level_and_channel_are_removed_after_a_while() -> None:
    power = mel_power(_noise(12.0))
    channel = 10 ** (np.linspace(-1.5, 1.5, 64)).astype(np.float32)
    plain, coloured = normalise(power)[0], normalise(power * channel * 4)[0]
    assert abs(plain[-100:] - coloured[-100:]).mean() < 0.12
    assert abs(plain[:10] - coloured[:10]).mean() > 0.3


def test_odd_length_is_refused() -> None:
    with pytest.raises(AudioError, match='161'):
        LogMelStream().push(np.zeros(161, np.float32))


def test_silence_stays_finite() -> None:
    assert np.isfinite(normalised_log_mel(np.zeros(16000, np.float32))).all()


def test_the_slow_mean_is_the_recursive_filter() -> None:
    from scipy.signal import lfilter

    from diffposetalk_ros.audio import logmel

    power = np.random.default_rng(0).uniform(0, 1e-3, (50, 4)).astype(np.float32)
    _, state = logmel.normalise(power[:20])
    _, state = logmel.normalise(power[20:], state)
    log = np.log(power.astype(np.float64) + logmel._FLOOR)
    level = np.log(power.mean(axis=1, dtype=np.float64) + logmel._FLOOR)
    weight = (1.0 / (1.0 + np.exp(-(level + 8.5) * 1.5)))[:, None]
    drive = np.concatenate([log * weight, weight], axis=1)
    zeros = np.zeros((1, 5))
    _, expected = lfilter([1.0], [1.0, -logmel._DECAY], drive, axis=0, zi=zeros)
    np.testing.assert_array_equal(state, expected)
