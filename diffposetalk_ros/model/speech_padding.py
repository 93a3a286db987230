# SPDX-License-Identifier: Apache-2.0
"""Padding in front of the speech convolutions, in NumPy (docs/method.md, 2.2)."""

from __future__ import annotations

import math

import numpy as np

from diffposetalk_ros.errors import AudioError
from diffposetalk_ros.model.backend import FloatArray

__all__ = ['pad_speech']

_UNIT, _THRESHOLD = 320, 80


def pad_speech(samples: FloatArray) -> FloatArray:
    """Pad (N, n) on both sides so that the convolutions give n // 320 frames.

    The same numbers as `speech_encoder.pad_audio`. Raises AudioError for less than 320 samples.
    """
    length = samples.shape[1]
    if length < _UNIT:
        raise AudioError(f'{length} samples are too short for the speech encoder; give at least {_UNIT}')
    side = math.ceil((_UNIT * (length // _UNIT) + _THRESHOLD - length) / 2)
    half, rest = divmod(max(side, 0), 2)
    for _ in range(2 if half else 0):
        samples = np.pad(samples, ((0, 0), (half, half)), mode='reflect')
    return np.pad(samples, ((0, 0), (1, 1)), mode='edge') if rest else samples
