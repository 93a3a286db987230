# SPDX-License-Identifier: Apache-2.0
"""The shipped model and what microphones do: soft voices, loud ones, noise, and nobody at all."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('onnxruntime')

from diffposetalk_ros.audio.formats.file import read_audio  # noqa: E402
from diffposetalk_ros.offline.generator import Generator  # noqa: E402
from diffposetalk_ros.util.resources import demo_clip  # noqa: E402

RATE = 16000


@pytest.fixture(scope='module')
def generator() -> Generator:
    return Generator('embedded', device='cpu')


@pytest.fixture(scope='module')
def speech() -> np.ndarray:
    return read_audio(demo_clip())


def scaled(decibels: float) -> np.float32:
    return np.float32(10 ** (decibels / 20))


def noise(length: int, decibels: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 10 ** (decibels / 20), length).astype(np.float32)


def jaw(generator: Generator, samples: np.ndarray) -> np.ndarray:
    clip = generator.generate(np.clip(samples, -1, 1))
    return clip.values[:, clip.layout.index('jawOpen')]


@pytest.mark.parametrize('decibels', [6.0, -6.0, -12.0, -20.0])
def test_soft_and_loud_voices_move_the_jaw_alike(
    generator: Generator, speech: np.ndarray, decibels: float
) -> None:
    expected, found = jaw(generator, speech), jaw(generator, speech * scaled(decibels))
    correlation = np.corrcoef(expected, found)[0, 1]
    print(f'{decibels:+.0f} dB: correlation {correlation:.3f}, deviation {found.std() / expected.std():.2f}')
    assert correlation > 0.93 and 0.8 < found.std() / expected.std() < 1.2


@pytest.mark.parametrize('decibels', [-30.0, -40.0])
def test_noise_12_and_22_db_below_speech_changes_little(
    generator: Generator, speech: np.ndarray, decibels: float
) -> None:
    found = jaw(generator, speech + noise(len(speech), decibels))
    correlation = np.corrcoef(jaw(generator, speech), found)[0, 1]
    print(f'white noise at {decibels:.0f} dBFS: correlation {correlation:.3f}')
    assert correlation > 0.9


@pytest.mark.parametrize('sound', ['silence', 'noise', 'hum'])
def test_the_mouth_stays_shut_while_nobody_speaks(generator: Generator, sound: str) -> None:
    times = np.arange(6 * RATE) / RATE
    samples = {
        'silence': np.zeros(len(times), np.float32),
        'noise': noise(len(times), -50.0),
        'hum': (np.sin(2 * np.pi * 50 * times) * scaled(-40)).astype(np.float32),
    }[sound]
    opening = jaw(generator, samples)[10:]
    assert opening.max() < 0.1 and np.ptp(opening) < 0.05
