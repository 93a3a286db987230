# SPDX-License-Identifier: Apache-2.0
"""Bounded queue of messages to one viewer, whether or not the viewer reads them."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ['Outbox']


class Outbox:
    """A queue of blocks (bytes) and texts (str) of one event loop.

    A viewer that does not read misses blocks, which later ones replace. Beyond ``blocks`` bytes they are
    dropped and counted. Texts cannot be replaced, so more than ``texts`` characters of them are
    refused, and the viewer must be disconnected.
    """

    def __init__(self, blocks: int = 2**19, texts: int = 2**18) -> None:
        self._most_blocks, self._most_texts = blocks, texts
        self._queue: deque[bytes | str] = deque()
        self._blocks = self._texts = 0
        self._filled = asyncio.Event()
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """Waiting bytes and characters."""
        return self._blocks + self._texts

    def put(self, data: bytes | str) -> bool:
        """Add a message; False when the viewer has left too many texts unread."""
        if isinstance(data, bytes):
            if self._blocks and self._blocks + len(data) > self._most_blocks:
                self.dropped += 1
                return True
            self._blocks += len(data)
        else:
            if self._texts + len(data) > self._most_texts:
                return False
            self._texts += len(data)
        self._queue.append(data)
        self._filled.set()
        return True

    async def get(self) -> bytes | str:
        """The next message to send."""
        while not self._queue:
            self._filled.clear()
            await self._filled.wait()
        data = self._queue.popleft()
        if isinstance(data, bytes):
            self._blocks -= len(data)
        else:
            self._texts -= len(data)
        return data
