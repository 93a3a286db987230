# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.audio.resampler import StreamResampler
from diffposetalk_ros.errors import AudioError

RATES = [4000, 8000, 11025, 16000, 22050, 44100, 44101, 48000, 96000, 384000]


def run(rate: int, x: np.ndarray, cuts: list[int]) -> np.ndarray:
    resampler = StreamResampler(rate)
    parts = [resampler.push(part) for part in np.split(x, sorted(cuts))]
    return np.concatenate([*parts, resampler.flush()])


@pytest.mark.parametrize('rate', RATES)
def test_a_tone_keeps_its_phase_and_the_length_is_exact(rate):
    time = np.arange(rate // 5) / rate
    out = run(rate, np.sin(2 * np.pi * 440 * time).astype('f4'), [])
    assert len(out) == -(-len(time) * 16000 // rate)
    expected = np.sin(2 * np.pi * 440 * np.arange(len(out)) / 16000)
    middle = slice(200, len(out) - 200)
    assert np.abs(out[middle] - expected[middle]).max() < 1e-3


def test_what_16_khz_cannot_hold_is_removed():
    time = np.arange(48000 // 5) / 48000
    out = run(48000, np.sin(2 * np.pi * 9000 * time).astype('f4'), [])
    assert np.abs(out[200:-200]).max() < 1e-4


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(RATES), st.data())
def test_any_cutting_gives_the_same_bits(rate, data):
    n = rate // 20
    x = np.random.default_rng(rate).uniform(-1, 1, n).astype('f4')
    cuts = data.draw(st.lists(st.integers(0, n), max_size=12))
    np.testing.assert_array_equal(run(rate, x, cuts), run(rate, x, []))


def test_one_sample_at_a_time_gives_the_same_bits():
    x = np.random.default_rng(0).uniform(-1, 1, 1500).astype('f4')
    np.testing.assert_array_equal(run(44100, x, list(range(1, 1500))), run(44100, x, []))


@pytest.mark.parametrize('rate', [8000, 22050, 44100, 48000])
def test_the_output_lags_by_no_more_than_the_stated_delay(rate):
    resampler = StreamResampler(rate)
    got = 0
    for i in range(1, 51):
        got += len(resampler.push(np.zeros(rate // 50, np.float32)))
        assert i * (rate // 50) / rate - got / 16000 <= resampler.delay + 1e-9
    assert resampler.delay < 0.01


def test_flush_starts_a_new_stream():
    x = np.random.default_rng(0).uniform(-1, 1, 4410).astype('f4')
    resampler = StreamResampler(44100)
    first = np.concatenate([resampler.push(x), resampler.flush()])
    np.testing.assert_array_equal(np.concatenate([resampler.push(x), resampler.flush()]), first)


@pytest.mark.parametrize('rate', [0, -16000, 3999, 10**9])
def test_absurd_rates_are_refused(rate):
    with pytest.raises(AudioError, match=str(rate)):
        StreamResampler(rate)
