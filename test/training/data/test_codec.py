# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import soundfile

from diffposetalk_ros.training.data.codec import CODECS, coded
from diffposetalk_ros.util.resources import demo_clip


@pytest.mark.parametrize('codec', range(len(CODECS)), ids=[name for _, name, _ in CODECS])
@pytest.mark.parametrize('gain', [1.0, 0.01])
def test_a_codec_changes_the_sound_but_not_its_time_or_level(codec: int, gain: float) -> None:
    samples, rate = soundfile.read(demo_clip(), dtype='float32', frames=48000)
    samples *= gain
    out = coded(samples, rate, np.random.default_rng(0), codec)
    assert out.shape == samples.shape and out.dtype == np.float32
    assert not np.array_equal(out, samples)
    power = np.sum(samples**2)
    assert np.sum(out**2) == pytest.approx(power, rel=0.3)
    spectrum = np.fft.rfft(out, 2 * len(out)) * np.conj(np.fft.rfft(samples, 2 * len(out)))
    likeness = np.fft.irfft(spectrum)
    assert likeness.argmax() == 0, 'the sound was moved'
    assert likeness[0] > 0.85 * power


def test_the_generator_chooses_the_codec_and_its_level() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 16000).astype(np.float32)
    same = [coded(noise, 16000, np.random.default_rng(3)) for _ in range(2)]
    assert np.array_equal(*same)
    others = [coded(noise, 16000, np.random.default_rng(seed)) for seed in range(4, 10)]
    assert len({other.tobytes() for other in others}) > 3


def test_silence_stays_silence() -> None:
    out = coded(np.zeros(16000, np.float32), 16000, np.random.default_rng(0), 0)
    assert np.abs(out).max() < 1e-4
