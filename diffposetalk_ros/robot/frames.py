# SPDX-License-Identifier: Apache-2.0
"""Face frames by due time: those shown, and those known ahead of playout.

While the face fades into or out of speech, the shown frames differ from those known ahead. After the newest
frame shown, only the change of the frames ahead is therefore used:

    frame(t) = shown(now) + ahead(t) - ahead(now)      now: due time of the newest frame shown

In the middle of speech both agree, and this equals ahead(t). Elsewhere it avoids a jump.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['FrameBuffer']

Floats = NDArray[np.float64]


class FrameBuffer:
    """Rows (D,) of de-normalised motion; all times in ns of one clock.

    ``shown`` frames arrive when they are due (FaceMotion), ``ahead`` frames before (FaceMotionChunk).
    """

    def __init__(self, width: int, keep: float = 1.0) -> None:
        self._width, self._keep = width, round(keep * NS_PER_SECOND)
        self._shown, self._ahead = _Track(), _Track()
        self._epoch = -1

    def show(self, due: int, row: ArrayLike) -> bool:
        """Add a frame that is due; False when it is older than the newest, or not finite."""
        values = np.asarray(row, np.float64)
        if not np.isfinite(values).all():
            return False
        newest = self.shown_until
        if newest is not None and due <= newest:
            if newest - due < self._keep:
                return False
            self.clear()  # the clock was set back, as when a simulation restarts
        self._shown.add(due, values)
        self._shown.drop_before(due - self._keep)
        self._ahead.drop_before(due)
        return True

    def foresee(self, epoch: int, first: int, step: int, rows: ArrayLike) -> None:
        """Replace the frames from ``first`` on by ``rows`` (K, D), ``step`` ns apart.

        Another ``epoch`` than before drops every frame ahead.
        """
        values = np.asarray(rows, np.float64).reshape(-1, self._width)
        if epoch != self._epoch:
            self._ahead.clear()
            self._epoch = epoch
        self._ahead.drop_from(first - step // 2)
        for k in np.flatnonzero(np.isfinite(values).all(axis=1)):
            self._ahead.add(first + int(k) * step, values[k])
        if self._shown.due:
            self._ahead.drop_before(self._shown.due[-1])

    def clear(self) -> None:
        """Forget everything."""
        self._shown.clear()
        self._ahead.clear()

    @property
    def shown_until(self) -> int | None:
        """Due time of the newest frame shown."""
        return self._shown.due[-1] if self._shown.due else None

    @property
    def known_until(self) -> int | None:
        """Due time of the last frame known; None before the first frame shown."""
        shown = self.shown_until
        return shown if shown is None else max([shown, *self._ahead.due[-1:]])

    def at(self, times: NDArray[np.int64]) -> Floats:
        """Rows (N, D) at ``times`` (N,), linear between frames shown; the nearest frame outside of them.

        Nothing is extrapolated. Raises IndexError when no frame was shown.
        """
        now = self._shown.due[-1]
        rows = self._shown.lines(times)
        later = times > now
        if self._ahead.due and later.any():
            foretold = self._ahead.lines(np.array([now]))
            rows[later] += self._ahead.curves(times[later]) - foretold
        return rows


class _Track:
    """Rows by rising due time."""

    def __init__(self) -> None:
        self.due: list[int] = []
        self._rows: list[Floats] = []

    def add(self, due: int, row: Floats) -> None:
        self.due.append(due)
        self._rows.append(row)

    def clear(self) -> None:
        self.drop_from(self.due[0] if self.due else 0)

    def drop_before(self, moment: int) -> None:
        """Drop old rows but keep two up to ``moment``, which `curves` needs to continue from there."""
        count = max(0, bisect_right(self.due, moment) - 2)
        del self.due[:count], self._rows[:count]

    def drop_from(self, moment: int) -> None:
        first = bisect_left(self.due, moment)
        del self.due[first:], self._rows[first:]

    def lines(self, times: NDArray[np.int64]) -> Floats:
        """Rows (N, D) on the straight lines between frames, as the face itself moves."""
        due, rows, right, share = self._around(times)
        return np.asarray(rows[right - 1] * (1 - share) + rows[right] * share)

    def curves(self, times: NDArray[np.int64]) -> Floats:
        """Rows (N, D) on a smooth curve through the frames, because motors cannot follow the corners of `lines`.

        It is a cubic Hermite curve. Its slopes are those of the parabola through three frames, and 0 at both ends.
        """
        due, rows, right, share = self._around(times)
        slopes = np.zeros_like(rows)
        if len(due) > 2:
            slopes[1:-1] = np.gradient(rows, due * 1e-9, axis=0)[1:-1]
        left = right - 1
        span = (due[right] - due[left])[:, None] * 1e-9
        back = 1 - share
        ends = rows[left] * back**2 * (1 + 2 * share) + rows[right] * share**2 * (1 + 2 * back)
        return np.asarray(ends + span * share * back * (slopes[left] * back - slopes[right] * share))

    def _around(self, times: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats, NDArray[np.intp], Floats]:
        """Frames around the times: due (K,) and rows (K, D); index of the right neighbour of each time
        and its share (N, 1)."""
        # Minutes may be known ahead, but only two frames on either side are needed.
        low = max(0, bisect_right(self.due, int(times.min())) - 2)
        high = bisect_left(self.due, int(times.max())) + 2
        due, rows = np.array(self.due[low:high], np.int64), np.stack(self._rows[low:high])
        if len(due) == 1:
            due, rows = np.append(due, due + 1), np.repeat(rows, 2, axis=0)
        right = np.clip(np.searchsorted(due, times), 1, len(due) - 1)
        span = (due[right] - due[right - 1]).astype(np.float64)
        return due, rows, right, np.clip((times - due[right - 1]) / span, 0.0, 1.0)[:, None]
