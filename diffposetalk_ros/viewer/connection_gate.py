# SPDX-License-Identifier: Apache-2.0
"""Limits the number of connections of a server, so that idle ones never block a visitor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

__all__ = ['ConnectionGate']


class ConnectionGate:
    """A protocol factory for ``create_server`` that wraps another one.

    At most ``limit`` connections are open. A new one replaces the oldest that is not kept. Each connection
    ends after ``lifetime`` s unless it is kept (a WebSocket, an upload in progress). ``evicted`` counts those that
    ended early.
    """

    def __init__(self, make: Callable[[], Any], limit: int = 256, lifetime: float = 30.0) -> None:
        self._make, self._limit, self.lifetime = make, limit, lifetime
        self._open: dict[asyncio.BaseTransport, _Connection] = {}
        self.evicted = 0

    def __call__(self) -> asyncio.Protocol:
        """A protocol for a new connection."""
        return _Connection(self, self._make())

    def __len__(self) -> int:
        return len(self._open)

    def keep(self, transport: asyncio.BaseTransport | None, kept: bool = True) -> None:
        """Exempt a connection from eviction and from ``lifetime``, or undo this."""
        if transport in self._open:
            self._open[transport].kept = kept

    def enter(self, connection: _Connection, transport: asyncio.Transport) -> bool:
        """Whether there is room for a new connection."""
        if len(self._open) >= self._limit:
            self.evicted += 1
            oldest = next((old for old, other in self._open.items() if not other.kept), None)
            if oldest is None:
                return False
            self.leave(oldest)
            oldest.abort()  # type: ignore[attr-defined]
        self._open[transport] = connection
        return True

    def leave(self, transport: asyncio.BaseTransport | None) -> None:
        """Forget a connection that has ended."""
        if transport is not None:
            self._open.pop(transport, None)


class _Connection(asyncio.Protocol):
    """Forwards everything to the protocol of the connection, and ends it after its lifetime."""

    def __init__(self, gate: ConnectionGate, inner: Any) -> None:
        self._gate, self._inner = gate, inner
        self._transport: Any = None
        self._end: asyncio.TimerHandle | None = None
        self.kept = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._inner.connection_made(transport)
        if not self._gate.enter(self, transport):
            transport.abort()
            return
        self._end = asyncio.get_running_loop().call_later(self._gate.lifetime, self._expire)

    def _expire(self) -> None:
        if self.kept:
            self._end = asyncio.get_running_loop().call_later(self._gate.lifetime, self._expire)
        else:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._gate.leave(self._transport)
        if self._end is not None:
            self._end.cancel()
        self._inner.connection_lost(error)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> Any:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
