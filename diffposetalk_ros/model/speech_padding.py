# SPDX-License-Identifier: Apache-2.0
"""Padding in front of the speech convolutions (docs/method.md, 2.2): its sizes, and the padding in NumPy."""

from __future__ import annotations

import math

import numpy as np

from diffposetalk_ros.errors import AudioError
from diffposetalk_ros.model.backend import FloatArray

__all__ = ['pad_speech', 'padding_sizes']

_UNIT, _THRESHOLD = 320, 80


def padding_sizes(length: int) -> tuple[int, int]:
    """(r, e) for ``length`` samples: reflect r samples on both sides twice, then repeat e edge samples.

    Raises AudioError for less than 320 samples, which give no frame.
    """
    if length < _UNIT:
        raise AudioError(f'{length} samples are too short for the speech encoder; give at least {_UNIT}')
    side = math.ceil((_UNIT * (length // _UNIT) + _THRESHOLD - length) / 2)
    return divmod(max(side, 0), 2)


def pad_speech(samples: FloatArray) -> FloatArray:
    """Pad (N, n) on both sides, so that the convolutions give n // 320 frames.

    The numbers are those of `speech_encoder.pad_audio`, which does the same in torch.
    """
    reflected, repeated = padding_sizes(samples.shape[1])
    for _ in range(2 if reflected else 0):
        samples = np.pad(samples, ((0, 0), (reflected, reflected)), mode='reflect')
    return np.pad(samples, ((0, 0), (repeated, repeated)), mode='edge') if repeated else samples
