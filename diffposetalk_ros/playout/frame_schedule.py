# SPDX-License-Identifier: Apache-2.0
"""Due times of frames on an exact grid, independent of the caller's jitter. Imports no ROS."""

from __future__ import annotations

from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['FrameSchedule']


class FrameSchedule:
    """Frame k is due at ``start + k / rate``. Each frame is returned exactly once.

    The first call starts the grid. After a pause longer than ``catch_up`` (a stopped process or a
    clock that jumped forward) the grid restarts instead of publishing the past.
    """

    def __init__(self, rate: float, catch_up: float = 0.5) -> None:
        self._rate = rate
        self._catch_up = round(catch_up * NS_PER_SECOND)
        self._start: int | None = None
        self._next = 0
        self._last: int | None = None
        self.restarts = 0

    def jumped_back(self, now: int) -> bool:
        """Whether the clock (ns) ran backwards since the last call by more than two frames."""
        last, self._last = self._last, now
        back = last is not None and last - now > 2 * NS_PER_SECOND / self._rate
        if back:
            self._start = None
        return back

    def due(self, now: int) -> list[int]:
        """Times (ns) of the frames that are due at ``now``."""
        if self._start is not None and now - self._time(self._next) > self._catch_up:
            self._start = None
            self.restarts += 1
        if self._start is None:
            self._start, self._next = now, 0
        times = []
        while self._time(self._next) <= now:
            times.append(self._time(self._next))
            self._next += 1
        return times

    @property
    def next(self) -> int:
        """Time (ns) of the next frame. Only after `due`."""
        return self._time(self._next)

    def _time(self, index: int) -> int:
        assert self._start is not None
        return self._start + round(index * NS_PER_SECOND / self._rate)
