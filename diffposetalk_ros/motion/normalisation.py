# SPDX-License-Identifier: Apache-2.0
"""Normalisation of motion and identity: units of the layout <-> model space (docs/method.md, 1.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ['TRAINING_EPSILON', 'denormalise_motion', 'normalise_motion']

TRAINING_EPSILON = 1e-9
"""What the published training adds to the deviation. Its demo and its style extraction add nothing."""


def normalise_motion(
    motion: NDArray[np.floating],
    mean: NDArray[np.floating],
    std: NDArray[np.floating],
    epsilon: float = 0.0,
) -> NDArray[np.float32]:
    """(motion - mean) / (std + epsilon) as float32, for (..., D) with statistics (D,)."""
    out: NDArray[np.float32] = ((motion - mean) / (std + epsilon)).astype(np.float32)
    return out


def denormalise_motion(
    motion: NDArray[np.floating], mean: NDArray[np.floating], std: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Motion std + mean as float32, for (..., D) with statistics (D,)."""
    out: NDArray[np.float32] = (motion * std + mean).astype(np.float32)
    return out
