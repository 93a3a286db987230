# SPDX-License-Identifier: Apache-2.0
"""Normalisation of speech for HuBERT and wav2vec2 (docs/method.md, 2.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ['normalise_audio']

_EPSILON = 1e-5


def normalise_audio(
    samples: NDArray[np.float32], mean: float | None = None, deviation: float | None = None
) -> NDArray[np.float32]:
    """(samples - mean) / (deviation + 1e-5) along the last axis, as float32.

    Args:
        samples: speech (..., n).
        mean: mean to subtract, or None for the mean of each row.
        deviation: standard deviation to divide by, or None for the unbiased one (n - 1) of each row.
    """
    exact = samples.astype(np.float64)
    exact -= exact.mean(axis=-1, keepdims=True) if mean is None else mean
    spread: NDArray[np.float64] | float
    if deviation is None:
        count = max(1, exact.shape[-1] - 1)
        spread = np.sqrt((exact * exact).sum(axis=-1, keepdims=True) / count)
    else:
        spread = deviation
    exact /= spread + _EPSILON
    return exact.astype(np.float32)
