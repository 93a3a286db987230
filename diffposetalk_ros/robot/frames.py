# SPDX-License-Identifier: Apache-2.0
"""Face frames by the time they are due: those shown, and those known ahead of playout."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ['FrameBuffer']

Floats = NDArray[np.float64]
_NS = 1_000_000_000


class FrameBuffer:
    """Rows (D,) of de-normalised motion; all times in ns of one clock.

    ``shown`` frames arrive when they are due (FaceMotion), ``ahead`` frames before (FaceMotionChunk).
    """

    def __init__(self, width: int, keep: float = 1.0) -> None:
        self._width, self._keep = width, round(keep * _NS)
        self._shown: deque[tuple[int, Floats]] = deque()
        self._ahead: deque[tuple[int, Floats]] = deque()
        self._epoch = -1

    def show(self, due: int, row: ArrayLike) -> bool:
        """Add a frame that is due; False when it is older than the newest, or not finite."""
        values = np.asarray(row, np.float64)
        if not np.isfinite(values).all():
            return False
        if self._shown and due <= self._shown[-1][0]:
            if self._shown[-1][0] - due < self._keep:
                return False
            self.clear()  # the clock was set back: a simulation began again
        self._shown.append((due, values))
        while self._shown[0][0] < due - self._keep:
            self._shown.popleft()
        while self._ahead and self._ahead[0][0] <= due:
            self._ahead.popleft()
        return True

    def foresee(self, epoch: int, first: int, step: int, rows: ArrayLike) -> None:
        """Replace the frames from ``first`` on by ``rows`` (K, D), ``step`` ns apart.

        Another ``epoch`` than before drops every frame ahead.
        """
        values = np.asarray(rows, np.float64).reshape(-1, self._width)
        if epoch != self._epoch:
            self._ahead.clear()
            self._epoch = epoch
        while self._ahead and self._ahead[-1][0] >= first - step // 2:
            self._ahead.pop()
        newest = self._shown[-1][0] if self._shown else -(2**62)
        for k, row in enumerate(values):
            if first + k * step > newest and np.isfinite(row).all():
                self._ahead.append((first + k * step, row))

    def clear(self) -> None:
        """Forget everything."""
        self._shown.clear()
        self._ahead.clear()

    @property
    def shown_until(self) -> int | None:
        """Due time of the newest frame shown."""
        return self._shown[-1][0] if self._shown else None

    @property
    def known_until(self) -> int | None:
        """Due time of the last frame known."""
        return self._ahead[-1][0] if self._ahead else self.shown_until

    def at(self, times: NDArray[np.int64]) -> Floats:
        """Rows (N, D) at ``times`` (N,), linear between frames; the nearest frame outside of them.

        Nothing is extrapolated. Raises IndexError when empty.
        """
        frames = list(self._shown) + list(self._ahead)
        due = np.array([frame[0] for frame in frames], np.int64)
        rows = np.stack([frame[1] for frame in frames])
        right = np.clip(np.searchsorted(due, times), 1, max(1, len(due) - 1))
        if len(due) == 1:
            return np.repeat(rows, len(times), axis=0)
        span = (due[right] - due[right - 1]).astype(np.float64)
        share = np.clip((times - due[right - 1]) / span, 0.0, 1.0)[:, None]
        return np.asarray(rows[right - 1] * (1 - share) + rows[right] * share)
