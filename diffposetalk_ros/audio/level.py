# SPDX-License-Identifier: Apache-2.0
"""Level and gain of sound."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

__all__ = ['LevelMeter', 'amplified', 'is_quiet']

_BLOCK = 0.05
"""Seconds."""
_QUIET = 10 ** (-45 / 20)
"""Nobody misses a few milliseconds of sound that never exceeds this (-45 dBFS)."""


def amplified(samples: NDArray[np.float32], decibels: float) -> NDArray[np.float32]:
    """Samples (n,) amplified by ``decibels`` and clipped to [-1, 1]."""
    out: NDArray[np.float32] = np.clip(samples * np.float32(10 ** (decibels / 20)), -1, 1)
    return out


def is_quiet(samples: NDArray[np.float32]) -> bool:
    """Whether samples (n,) are a pause of speech, from which a few milliseconds may be left out unnoticed."""
    return float(np.abs(samples).max(initial=0.0)) < _QUIET


class LevelMeter:
    """Level of the loudest 50 ms within the last ``seconds`` of sound."""

    def __init__(self, seconds: float = 5.0) -> None:
        self._powers: deque[float] = deque(maxlen=max(1, round(seconds / _BLOCK)))
        self._rest = np.zeros(0, np.float32)
        self._rate = 0

    def push(self, samples: NDArray[np.float32], rate: int) -> None:
        """Add (n,) samples in [-1, 1] at ``rate`` Hz."""
        if rate != self._rate:
            self._rate, self._rest = rate, samples[:0]
        heard = np.concatenate([self._rest, samples])
        width = max(1, round(rate * _BLOCK))
        whole = len(heard) // width * width
        blocks = heard[:whole].reshape(-1, width).astype(np.float64)
        self._powers.extend((blocks**2).mean(axis=1).tolist())
        self._rest = heard[whole:]

    @property
    def decibels(self) -> float:
        """Root mean square in dB below full scale (dBFS); -inf for digital silence, NaN before the first 50 ms."""
        if not self._powers:
            return float('nan')
        loudest = max(self._powers)
        return 10 * float(np.log10(loudest)) if loudest > 0 else float('-inf')
