# SPDX-License-Identifier: Apache-2.0
"""What a log is told: each different text once in a while. rclpy throttles by line of code, so that a fault
which repeats would hide another one that is told from the same line."""

from __future__ import annotations

import time

__all__ = ['LogThrottle']


class LogThrottle:
    """Whether a text is news: not told for ``period`` s, and not one of more than ``most`` in that time."""

    def __init__(self, period: float = 5.0, most: int = 8) -> None:
        self._period, self._most = period, most
        self._told: dict[str, float] = {}

    def __call__(self, text: str, now: float | None = None) -> bool:
        """``now``: s, on a clock that does not jump; None: the machine's."""
        now = time.monotonic() if now is None else now
        self._told = {told: when for told, when in self._told.items() if now - when < self._period}
        if text in self._told or len(self._told) >= self._most:
            return False
        self._told[text] = now
        return True
