# SPDX-License-Identifier: Apache-2.0
"""Notices that the clock of the machine was set, by comparison with one that nobody sets."""

from __future__ import annotations

import time
from collections.abc import Callable

from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['ClockSteps']

_STEP = NS_PER_SECOND // 10
"""Smaller corrections (ns) are not steps: the clock is kept right with them."""
_AT_ONCE = NS_PER_SECOND // 100
"""If reading both clocks took longer (ns), the thread was held up in between, and the readings are not compared."""


class ClockSteps:
    """Steps of the clock ``wall`` against ``steady``; both return ns."""

    def __init__(
        self, wall: Callable[[], int] = time.time_ns, steady: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall, self._steady = wall, steady
        self._apart: int | None = None

    def next(self) -> int:
        """By how much the clock was set since the last call, in ns; negative if it was set back, 0 if it was not."""
        before, wall, after = self._steady(), self._wall(), self._steady()
        if after - before > _AT_ONCE:
            return 0
        apart, self._apart = self._apart, wall - before
        step = 0 if apart is None else self._apart - apart
        return step if abs(step) > _STEP else 0
