# SPDX-License-Identifier: Apache-2.0
"""Throttles log messages by their text. rclpy throttles by line of code, so a repeated fault would hide another
one that is logged from the same line."""

from __future__ import annotations

import time

__all__ = ['LogThrottle']


class LogThrottle:
    """Whether to log a text: it was not logged for ``period`` s, and at most ``most`` texts were in that time."""

    def __init__(self, period: float = 5.0, most: int = 8) -> None:
        self._period, self._most = period, most
        self._told: dict[str, float] = {}

    def __call__(self, text: str, now: float | None = None) -> bool:
        """``now``: s, on a monotonic clock; None: the machine's."""
        now = time.monotonic() if now is None else now
        self._told = {told: when for told, when in self._told.items() if now - when < self._period}
        if text in self._told or len(self._told) >= self._most:
            return False
        self._told[text] = now
        return True
