# SPDX-License-Identifier: Apache-2.0
"""A made-up utterance with known phoneme times, loudness and pitch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from diffposetalk_ros.training.animator import ARPABET, Phone

FRAMES = 210
RATE = 16000


@dataclass(frozen=True)
class Utterance:
    phones: tuple[Phone, ...]
    samples: NDArray[np.float32]


def utterance(seed: int, seconds: float = 8.4) -> Utterance:
    """Random phonemes with pauses; vowels are buzzes of random loudness and pitch."""
    rng = np.random.default_rng(seed)
    phones: list[Phone] = []
    samples = np.zeros(int(seconds * RATE), np.float32)
    spoken = [phone for phone in ARPABET if phone != 'SIL']
    now = 0.4
    while now < seconds - 1.2:
        if rng.random() < 0.06:
            pause = float(rng.uniform(0.25, 0.8))
            phones.append((now, now + pause, 'SIL'))
            now += pause
        phone = str(rng.choice(spoken))
        length = float(rng.uniform(0.04, 0.16))
        phones.append((now, now + length, phone))
        if phone[0] in 'AEIOU':
            first, last = int(now * RATE), int((now + length) * RATE)
            phase = 2 * np.pi * rng.uniform(100, 160) * np.arange(last - first) / RATE
            samples[first:last] = rng.uniform(0.1, 0.8) * np.sign(np.sin(phase)) * np.hanning(last - first)
        now += length
    return Utterance(tuple(phones), samples)


@pytest.fixture(scope='session')
def speech() -> Utterance:
    return utterance(0)
