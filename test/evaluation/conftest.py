# SPDX-License-Identifier: Apache-2.0
"""A model of the real architecture with random weights, and speech with known phones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny_model import write_tiny_model

from diffposetalk_ros.evaluation.speech_sets import SpeechClip
from diffposetalk_ros.training.animator import ARPABET

SPOKEN = [phone for phone in ARPABET if phone != 'SIL']


@pytest.fixture(scope='session')
def make_clip() -> Callable[..., SpeechClip]:
    """Clip of noise whose phones are drawn at random: `make_clip(name, seed, count)`."""

    def make(name: str, seed: int, count: int = 90) -> SpeechClip:
        rng = np.random.default_rng(seed)
        names = ['SIL', *(str(p) for p in rng.choice(SPOKEN, count)), 'SIL']
        lengths = [0.3, *rng.uniform(0.05, 0.14, count), 0.3]
        edges = np.concatenate([[0], np.cumsum(lengths)])
        phones = tuple((float(a), float(b), p) for a, b, p in zip(edges, edges[1:], names, strict=False))
        samples = rng.normal(0, 0.05, int(edges[-1] * 16000)).astype(np.float32)
        return SpeechClip(name, 'noise', 'test', samples, '', phones)

    return make


@pytest.fixture(scope='session')
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small model that answers in milliseconds."""
    pytest.importorskip('torch')
    styles = ('neutral', 'smiling', 'lively')
    return write_tiny_model(tmp_path_factory.mktemp('model'), styles, position='per_frame')
