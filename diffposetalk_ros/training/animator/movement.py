# SPDX-License-Identifier: Apache-2.0
"""Building blocks of natural movement: bumps, shifts of a resting position, and smooth noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from diffposetalk_ros.motion.minimum_jerk import minimum_jerk
from diffposetalk_ros.training.animator.coarticulation import Floats

__all__ = ['bumps', 'drift', 'raises', 'shifts']

Reals = NDArray[Any]


def bumps(times: Floats, onsets: Reals, strengths: Reals, rise: float, fall: float) -> Floats:
    """Sum of bumps that rise and fall (s, standard deviations) around the onsets (s): (len(times),)."""
    if len(onsets) == 0:
        return np.zeros(len(times), np.float32)
    offset = times[:, None] - np.asarray(onsets, np.float32)[None, :]
    width = np.where(offset < 0, np.float32(rise), np.float32(fall))
    return np.asarray(np.exp(-0.5 * (offset / width) ** 2) @ np.asarray(strengths, np.float32), np.float32)


def raises(times: Floats, onsets: Reals, strengths: Reals, rise: Reals, hold: Reals, fall: Reals) -> Floats:
    """Movements that go up within ``rise`` s from the onset, stay for ``hold`` s and go back within ``fall`` s.

    All arguments except the times are (n,). If movements overlap, the larger one is used. Shape (len(times),).
    """
    if len(onsets) == 0:
        return np.zeros(len(times), np.float32)
    offset = times[:, None] - np.asarray(onsets, np.float32)[None, :]
    up = minimum_jerk(offset / np.asarray(rise, np.float32))
    down = minimum_jerk((offset - (rise + hold).astype(np.float32)) / np.asarray(fall, np.float32))
    return np.asarray(((up - down) * np.asarray(strengths, np.float32)).max(1), np.float32)


def shifts(times: Floats, moments: Reals, places: Reals, spans: Reals) -> Floats:
    """A position that changes from places[k] to places[k + 1] within spans[k] s, beginning at moments[k] s.

    ``places`` (n + 1, axes); shape (len(times), axes).
    """
    out = np.tile(places[0].astype(np.float32), (len(times), 1))
    for moment, span, change in zip(moments, spans, np.diff(places, axis=0), strict=True):
        part = (times - np.float32(moment)) / np.float32(span)
        out += minimum_jerk(part)[:, None] * change.astype(np.float32)
    return out


def drift(frames: int, period: float, rng: np.random.Generator) -> Floats:
    """Smooth noise (frames,) of standard deviation 1 whose waves last about ``period`` frames."""
    width = max(period / 6.0, 0.5)
    noise = gaussian_filter1d(rng.standard_normal(frames + int(8 * width) + 1), width)
    noise = noise[int(4 * width) : int(4 * width) + frames]
    # Divide by the theoretical deviation of the filtered noise, not by that of this piece: short pieces may be calm.
    return np.asarray(noise * np.sqrt(2 * np.sqrt(np.pi) * width), np.float32)
