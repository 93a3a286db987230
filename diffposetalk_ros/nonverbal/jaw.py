# SPDX-License-Identifier: Apache-2.0
"""Adapts the mean and the variation of the jaw opening to a person without changing lip closures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.nonverbal.traits import TRAIT_RANGES

__all__ = ['jaw_as_asked', 'open_jaw']

Floats = NDArray[np.float32]

_ROUNDS = 12
_SHUT, _SLACK = 0.02, 0.002
"""jawOpen below which lips count as closed whatever mouthClose says, and how nearly they have to meet above it."""


def open_jaw(jaw: float, close: float, gain: float, offset: float) -> tuple[float, float]:
    """jawOpen and mouthClose of a frame for a style's ``gain`` and ``offset``.

    Lips closed by the articulation (``close`` equal to ``jaw``) or at rest stay closed. Parted lips open further by
    the additional opening of the jaw.
    """
    wanted = gain * jaw
    opened = min(max(wanted + offset, 0.0), 1.0)
    # Share of the opening that mouthClose cancels; all of it where the jaw rests.
    closed = min((close + _SHUT + _SLACK) / (jaw + _SHUT), 1.0)
    return opened, min(max(gain * close + closed * (opened - wanted), 0.0), 1.0)


def jaw_as_asked(made: NDArray[Any], asked: NDArray[Any]) -> tuple[float, float]:
    """Gain and offset that give jawOpen ``made`` (n,) the mean and the deviation of ``asked`` (m,)."""
    (low, high, _), (down, up, _) = TRAIT_RANGES['jaw_gain'], TRAIT_RANGES['jaw_offset']
    mean, deviation = float(np.mean(asked)), float(np.std(asked))
    gain, offset = 1.0, 0.0
    # The jaw opening is clipped at 0, so gain and offset depend on each other.
    for _ in range(_ROUNDS):
        now = np.clip(gain * made + offset, 0, 1)
        gain = float(np.clip(gain * deviation / max(float(now.std()), 1e-3), low, high))
        now = np.clip(gain * made + offset, 0, 1)
        offset = float(np.clip(offset + mean - now.mean(), down, up))
    return gain, offset
