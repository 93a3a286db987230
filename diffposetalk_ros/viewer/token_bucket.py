# SPDX-License-Identifier: Apache-2.0
"""A rate limit for the requests of a visitor."""

from __future__ import annotations

import asyncio
import time

__all__ = ['TokenBucket']


class TokenBucket:
    """Fills with ``rate`` tokens a second up to ``burst``. Taking more waits until they are available."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._seen = burst, time.monotonic()

    def debt(self, cost: float) -> float:
        """Take ``cost`` tokens; the time in s to wait for them."""
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + self._rate * (now - self._seen)) - cost
        self._seen = now
        return max(0.0, -self._tokens / self._rate)

    async def take(self, cost: float = 1.0) -> None:
        """Take ``cost`` tokens, and wait until they are available."""
        wait = self.debt(cost)
        if wait > 0:
            await asyncio.sleep(wait)
