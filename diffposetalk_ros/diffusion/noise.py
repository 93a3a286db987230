# SPDX-License-Identifier: Apache-2.0
"""Noise as a pure function of (seed, stream, frame, step): any window can ask for any frames.

Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), counter-based:
two windows that overlap see the same noise on the frames they share, on every machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ['FrameNoise', 'frame_uniform', 'philox']

_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = 0x9E3779B9, 0xBB67AE85
_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)

_KEPT = 256
"""Frames of x_T that are kept, at least as long as a window asks for them."""
_AHEAD = 32
"""Frames of x_T that are drawn at once: three cost nearly as much."""

_Words = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]


def philox(counter: _Words, key: tuple[int, int]) -> _Words:
    """Philox 4x32-10: four arrays of 32-bit counter words (in uint64) -> four random words each."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = _MULTIPLIER_0 * c0, _MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (
            (p1 >> _SHIFT) ^ c1 ^ np.uint64(k0),
            p1 & _MASK,
            (p0 >> _SHIFT) ^ c3 ^ np.uint64(k1),
            p0 & _MASK,
        )
        k0, k1 = (k0 + _WEYL_0) & 0xFFFFFFFF, (k1 + _WEYL_1) & 0xFFFFFFFF
    return c0, c1, c2, c3


def frame_uniform(seed: int, stream: int, tag: int, frame: int) -> NDArray[np.float64]:
    """Four uniform numbers in (0, 1) that belong to ``frame``; ``tag`` tells purposes apart: (4,).

    The words of `philox`, one counter at a time in plain integers, which is twenty times as fast as arrays of one.
    """
    mask = 0xFFFFFFFF
    c0, c1, c2, c3 = tag & mask, mask, frame & mask, frame >> 32
    k0, k1 = seed & mask, stream & mask
    multiplier_0, multiplier_1 = int(_MULTIPLIER_0), int(_MULTIPLIER_1)
    for _ in range(10):
        p0, p1 = multiplier_0 * c0, multiplier_1 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & mask, (p0 >> 32) ^ c3 ^ k1, p0 & mask
        k0, k1 = (k0 + _WEYL_0) & mask, (k1 + _WEYL_1) & mask
    return (np.array([c0, c1, c2, c3], np.float64) + 0.5) / 2.0**32


class FrameNoise:
    """Standard normal noise for frames of ``width`` numbers.

    ``seed`` and ``stream`` (avatar) choose the sequence, both 0..2^32-1. Not thread-safe.
    """

    def __init__(self, seed: int, stream: int, width: int) -> None:
        self._key = (seed & 0xFFFFFFFF, stream & 0xFFFFFFFF)
        self._width = width
        self._kept = np.zeros((0, width), np.float32)
        self._first = 0

    def initial(self, start: int, stop: int) -> NDArray[np.float32]:
        """x_T of frames [start, stop): (stop - start, width), read-only.

        Earlier noise is kept, so a window of 100 frames that moves by 2 computes only 2 new frames.
        """
        last = self._first + len(self._kept)
        if not self._first <= start <= last:
            self._kept, self._first, last = self._kept[:0], start, start
        if stop > last:
            rows = np.concatenate([self._kept, self.step(0, last, max(stop, last + _AHEAD))])
            drop = max(0, min(len(rows) - _KEPT, start - self._first))
            self._kept, self._first = rows[drop:], self._first + drop
            self._kept.flags.writeable = False
        return self._kept[start - self._first : stop - self._first]

    def step(self, t: int, start: int, stop: int) -> NDArray[np.float32]:
        """z of diffusion step ``t`` >= 1 (0 is x_T) for frames [start, stop): (stop - start, width)."""
        frames = np.arange(start, stop, dtype=np.uint64)[:, None]
        blocks = np.arange((self._width + 3) // 4, dtype=np.uint64)[None, :]
        frames, blocks = np.broadcast_arrays(frames, blocks)
        words = philox((blocks, np.full_like(blocks, t), frames & _MASK, frames >> _SHIFT), self._key)
        # Box-Muller; (w + 0.5) / 2^32 lies strictly between 0 and 1.
        u = [(word.astype(np.float64) + 0.5) / 2.0**32 for word in words]
        radius_0, radius_1 = np.sqrt(-2 * np.log(u[0])), np.sqrt(-2 * np.log(u[2]))
        angle_0, angle_1 = 2 * np.pi * u[1], 2 * np.pi * u[3]
        normal = np.stack(
            [
                radius_0 * np.cos(angle_0),
                radius_0 * np.sin(angle_0),
                radius_1 * np.cos(angle_1),
                radius_1 * np.sin(angle_1),
            ],
            axis=-1,
        )
        return normal.reshape(stop - start, -1)[:, : self._width].astype(np.float32)
