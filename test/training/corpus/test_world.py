# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt
import pytest

from diffposetalk_ros.training.corpus.speech import CorpusError
from diffposetalk_ros.training.corpus.world import convert_voice, load_world

RATE = 16000


def vowel(pitch: float, formant: float) -> npt.NDArray[np.float32]:
    """One second, from 0.3 s to 0.7 s a pulse train through one resonance."""
    pulses = np.zeros(RATE)
    pulses[int(0.3 * RATE) : int(0.7 * RATE) : int(RATE / pitch)] = 1.0
    time = np.arange(800) / RATE
    ring = np.exp(-time * 300) * np.sin(2 * np.pi * formant * time)
    return (0.3 * np.convolve(pulses, ring)[:RATE]).astype(np.float32)


def test_pitch_and_formants_move_and_time_stays() -> None:
    pytest.importorskip('pyworld', reason='pyworld is not installed')
    made = convert_voice(vowel(110, 1000), RATE, 200.0, 1.2)
    assert made.shape == (RATE,) and made.dtype == np.float32
    voiced = made[int(0.4 * RATE) : int(0.6 * RATE)].astype(float)
    spectrum = np.abs(np.fft.rfft(voiced * np.hanning(len(voiced)), RATE))  # 1 Hz a bin
    assert np.argmax(spectrum) == pytest.approx(1200, abs=60)
    correlation = np.correlate(voiced, voiced, 'full')[len(voiced) :]
    assert RATE / (50 + np.argmax(correlation[50:130]) + 1) == pytest.approx(200, rel=0.03)
    loud = np.flatnonzero(np.abs(made) > 0.1 * np.abs(made).max()) / RATE
    assert loud[0] == pytest.approx(0.3, abs=0.015) and loud[-1] == pytest.approx(0.7, abs=0.02)


def test_silence_stays_silent() -> None:
    pytest.importorskip('pyworld', reason='pyworld is not installed')
    made = convert_voice(np.zeros(RATE, np.float32), RATE, 200.0, 1.2)
    assert np.abs(made).max() < 1e-3


def test_a_missing_vocoder_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'pyworld', None)
    with pytest.raises(CorpusError, match='pip install pyworld'):
        load_world()
