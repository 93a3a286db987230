# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffposetalk_ros.audio.level import LevelMeter, amplified


def tone(seconds: float, rate: int, peak: float = 1.0) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * 200 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@given(st.integers(1, 5000), st.sampled_from([4000, 16000, 44100]))
def test_a_full_sine_is_3_db_below_full_scale_however_it_is_cut(cut: int, rate: int) -> None:
    meter, sound = LevelMeter(), tone(0.5, rate)
    for begin in range(0, len(sound), cut):
        meter.push(sound[begin : begin + cut], rate)
    assert meter.decibels == pytest.approx(-3.01, abs=0.02)


def test_the_loudest_counts_until_it_is_over() -> None:
    meter = LevelMeter(seconds=1.0)
    assert math.isnan(meter.decibels)
    meter.push(np.zeros(1600, np.float32), 16000)
    assert meter.decibels == -math.inf
    meter.push(tone(0.1, 16000, 0.1), 16000)
    meter.push(tone(0.8, 16000, 0.01), 16000)
    assert meter.decibels == pytest.approx(-23.0, abs=0.1)
    meter.push(tone(0.2, 8000, 0.01), 8000)
    assert meter.decibels == pytest.approx(-43.0, abs=0.1)


def test_gain() -> None:
    sound = tone(0.1, 16000, 0.2)
    np.testing.assert_array_equal(amplified(sound, 0.0), sound)
    np.testing.assert_allclose(amplified(sound, 6.0206), 2 * sound, rtol=1e-4)
    assert np.abs(amplified(sound, 40.0)).max() == 1.0 and amplified(sound, 40.0).dtype == np.float32
