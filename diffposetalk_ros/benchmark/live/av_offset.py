# SPDX-License-Identifier: Apache-2.0
"""Delay of a face behind its sound, computed from recordings of both."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ['face_behind_sound']

_MOST, _STEP = 0.6, 0.002
_ALIKE = 0.85


def face_behind_sound(
    seen: ArrayLike, heard: ArrayLike, expected: ArrayLike, fps: float, quiet_after: float = 0.06
) -> float:
    """Seconds by which the face is behind its sound, over one utterance; NaN if they do not correlate.

    Args:
        seen: (n, 2): time in s and opening of the jaw.
        heard: (m, 2): time in s, and the moment of the utterance in s that begins to be heard then, in order.
        expected: (k,): opening of the jaw of each frame of the same sound; frame i is that of (i + 0.5) / ``fps`` s.
        fps: frames per second of ``expected``.
        quiet_after: duration (s) of a piece of sound that is not followed by another.
    """
    rows, pieces, jaw = (np.asarray(each, np.float64) for each in (seen, heard, expected))
    if len(rows) < 25 or len(pieces) < 25:
        return float('nan')
    moments = (np.arange(len(jaw)) + 0.5) / fps
    best, offset = -1.0, float('nan')
    for lag in np.arange(-_MOST, _MOST, _STEP):
        at = np.searchsorted(pieces[:, 0], rows[:, 0] - lag, side='right') - 1
        since = rows[:, 0] - lag - pieces[at, 0]
        valid = (at >= 0) & (since < quiet_after)
        if valid.sum() < 25:
            continue
        wanted = np.interp(pieces[at, 1] + since, moments, jaw)[valid]
        if wanted.std() == 0 or rows[valid, 1].std() == 0:
            continue
        alike = float(np.corrcoef(wanted, rows[valid, 1])[0, 1])
        if alike > best:
            best, offset = alike, float(lag)
    return offset if best > _ALIKE else float('nan')
