# SPDX-License-Identifier: Apache-2.0
"""Sound that waits until its face is shown. Imports no ROS."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

__all__ = ['DelayedSound']

_MOST = 60_000  # ten minutes ahead of time in messages of 10 ms


class DelayedSound:
    """Messages in the order of arrival, each with its place in an utterance. Thread-safe; times in ns.

    When a message is due is asked only at its turn: until its utterance is shown, that may change.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, int, Any]] = deque(maxlen=_MOST)
        self._starts: dict[int, int] = {}
        self._lock = threading.Lock()

    def play(self, epoch: int, start: int) -> None:
        """The beginning of utterance ``epoch`` is to be heard at ``start``; what waits of others keeps its
        time."""
        with self._lock:
            self._starts = {old: at for old, at in self._starts.items() if self._awaited(old)}
            self._starts[epoch] = start

    def add(self, epoch: int, place: int, message: Any) -> None:
        """``message`` begins ``place`` after the beginning of its utterance. Only after `play`."""
        with self._lock:
            self._waiting.append((epoch, place, message))

    def due(self, now: int) -> list[tuple[int, Any]]:
        """(time, message) of all that are due at ``now``."""
        out = []
        with self._lock:
            while self._waiting:
                epoch, place, message = self._waiting[0]
                time = self._starts[epoch] + place
                if time > now:
                    break
                self._waiting.popleft()
                out.append((time, message))
        return out

    def next(self) -> int | None:
        """When the first of what waits is due; None when nothing waits."""
        with self._lock:
            if not self._waiting:
                return None
            epoch, place, _ = self._waiting[0]
            return self._starts[epoch] + place

    def clear(self) -> None:
        """Forget all messages."""
        with self._lock:
            self._waiting.clear()

    def _awaited(self, epoch: int) -> bool:
        return bool(self._waiting) and self._waiting[0][0] <= epoch
