# SPDX-License-Identifier: Apache-2.0
"""How far a person's jaw opens, on average and from sound to sound, without touching where the lips meet."""

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

    Lips that the articulation closes (``close`` equal to ``jaw``) stay closed, lips at rest too, and parted lips part
    by what the jaw opens more.
    """
    wanted = gain * jaw
    opened = min(max(wanted + offset, 0.0), 1.0)
    # Share of the opening that mouthClose takes back; where the jaw rests, all of it.
    closed = min((close + _SHUT + _SLACK) / (jaw + _SHUT), 1.0)
    return opened, min(max(gain * close + closed * (opened - wanted), 0.0), 1.0)


def jaw_as_asked(made: NDArray[Any], asked: NDArray[Any]) -> tuple[float, float]:
    """Gain and offset with which jawOpen ``made`` (n,) gets the mean and the deviation of ``asked`` (m,)."""
    (low, high, _), (down, up, _) = TRAIT_RANGES['jaw_gain'], TRAIT_RANGES['jaw_offset']
    mean, deviation = float(np.mean(asked)), float(np.std(asked))
    gain, offset = 1.0, 0.0
    # A jaw that opens less than it articulates is cut off at 0, so both depend on each other.
    for _ in range(_ROUNDS):
        now = np.clip(gain * made + offset, 0, 1)
        gain = float(np.clip(gain * deviation / max(float(now.std()), 1e-3), low, high))
        now = np.clip(gain * made + offset, 0, 1)
        offset = float(np.clip(offset + mean - now.mean(), down, up))
    return gain, offset
