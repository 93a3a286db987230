# SPDX-License-Identifier: Apache-2.0
"""What attacks on the page cost: memory of its server, and the longest pause that another viewer sees.

    python -m diffposetalk_ros.benchmark.page_attacks --seconds 60
    python -m diffposetalk_ros.benchmark.page_attacks --port 8765 --process PID    the page of a running viewer_node

Without ``--port`` the server is a process of its own that sends 50 frames a second, as the viewer node does. The
attacks come from a second process, and the polite viewer measures from this one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from diffposetalk_ros.benchmark.process_watch import ProcessWatch
from diffposetalk_ros.benchmark.table import Table, machine
from diffposetalk_ros.motion.rig import load_rig
from diffposetalk_ros.viewer.page_messages import frame_due, motion_block
from diffposetalk_ros.viewer.rig_file import pack_rig
from diffposetalk_ros.viewer.server import ServerOptions, ViewerServer

__all__ = ['ATTACKS', 'attack_table']

_GIANT = 53_000_000
"""Bytes of the text that once stalled every viewer for seconds."""


async def _upgraded(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket without a client library, which would limit its requests."""
    reader, writer = await asyncio.open_connection('127.0.0.1', port, limit=2**12)
    writer.write(
        f'GET /socket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n'
        'Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
        'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n'.encode()
    )
    await writer.drain()
    return reader, writer


def _frame(text: bytes) -> bytes:
    return bytes([0x81, 0x80 | 126]) + len(text).to_bytes(2, 'big') + bytes(4) + text


async def _pour(port: int, pieces: Callable[[], bytes], read: bool, end: float) -> None:
    """Send pieces as fast as they are taken until ``end``, on a new connection whenever one is closed."""
    while time.monotonic() < end:
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            reader, writer = await asyncio.wait_for(_upgraded(port), 5)
            try:
                while time.monotonic() < end and not (read and reader.at_eof()):
                    writer.write(pieces())
                    await asyncio.wait_for(writer.drain(), 0.5)
                    if read:
                        with contextlib.suppress(asyncio.TimeoutError):
                            await asyncio.wait_for(reader.read(2**16), 0.001)
            finally:
                writer.transport.abort()
        await asyncio.sleep(0.01)


async def _nothing(port: int, end: float) -> None:
    """No attack: the effect of the machine itself on the other viewer."""
    await asyncio.sleep(end - time.monotonic())


async def _unread_answers(port: int, end: float) -> None:
    text = json.dumps({'do': 'ping', 'sent': 1.0, 'padding': 'x' * 10_000}).encode()
    await asyncio.gather(*(_pour(port, lambda: _frame(text), False, end) for _ in range(4)))


async def _giant_texts(port: int, end: float) -> None:
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            reader, writer = await _upgraded(port)
            writer.write(bytes([0x81, 0x80 | 127]) + _GIANT.to_bytes(8, 'big') + bytes(4))
            sent = 0
            while sent < _GIANT and not reader.at_eof() and time.monotonic() < end:
                writer.write(b'1,' * 2**15)
                await writer.drain()
                sent += 2**16
            writer.transport.abort()
        await asyncio.sleep(0.01)


async def _half_open(port: int, end: float) -> None:
    idle: list[asyncio.StreamWriter] = []
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            idle.append((await asyncio.open_connection('127.0.0.1', port))[1])
        if len(idle) > 1100:
            idle.pop(0).transport.abort()
        await asyncio.sleep(0.002)


async def _floods(port: int, end: float) -> None:
    command = _frame(b'{"do": "nonsense", "id": 1}')
    await asyncio.gather(*(_pour(port, lambda: command, True, end) for _ in range(4)))


async def _slow_readers(port: int, end: float) -> None:
    """40 viewers that ask for everything and take a byte a second."""
    links = [await _upgraded(port) for _ in range(40)]
    while time.monotonic() < end:
        for reader, _ in links:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.01)
        await asyncio.sleep(1.0)


async def _junk(port: int, end: float) -> None:
    await asyncio.gather(*(_pour(port, lambda: os.urandom(2**14), True, end) for _ in range(4)))


ATTACKS: dict[str, Callable[[int, float], Awaitable[None]]] = {
    'none, for comparison': _nothing,
    'unread answers': _unread_answers,
    'giant texts': _giant_texts,
    'half-open connections': _half_open,
    'floods of commands': _floods,
    'slow readers': _slow_readers,
    'junk': _junk,
}


def attack_table(seconds: float, page: tuple[int, int] | None = None) -> Table:
    """Each attack for ``seconds``, one after the other on one server.

    ``page``: port on this machine and process of the server to attack; None: one that is started for this. Raises
    ConfigError for a process that does not exist, OSError if nothing listens on the port.
    """
    context = multiprocessing.get_context('spawn')
    server = None
    if page is None:
        ours, theirs = context.Pipe()
        server = context.Process(target=_serve, args=(theirs,), daemon=True)
        server.start()
        page = ours.recv(), server.pid or 0
    port, process = page
    rows = []
    try:
        watch = ProcessWatch(process)
        asyncio.run(_view(port, 2.0))  # the cost of a first visitor is not part of the attack
        for name in ATTACKS:
            before = watch.sample().resident
            attacker = context.Process(target=_attack, args=(name, port, seconds), daemon=True)
            attacker.start()
            seen = asyncio.run(_view(port, seconds, watch))
            attacker.join(10)
            attacker.kill()
            rows.append(
                (
                    name,
                    round(seen.resident - before, 1),
                    round(1e3 * seen.gap),
                    round(seen.frames / seconds, 1),
                    round(1e3 * seen.late),
                )
            )
    finally:
        if server is not None:
            server.kill()
    source = 'the server sends 50 frames a second' if server else 'the page of a running node'
    return Table(
        'Rude visitors of the page',
        f'{seconds:g} s of each; {source}.',
        (
            'attack',
            'memory grown by at most [MiB]',
            'longest gap of another viewer [ms]',
            'its frames/s',
            'its latest frame [ms after it is due]',
        ),
        tuple(rows),
    )


def _serve(pipe: Any) -> None:
    def refuse(command: dict[str, Any], upload: bytes) -> Future[dict[str, Any]]:
        done: Future[dict[str, Any]] = Future()
        done.set_result({})
        return done

    server = ViewerServer(ServerOptions(port=0), pack_rig(load_rig()), refuse, time.time_ns)
    pipe.send(server.port)
    index, begin = 0, time.monotonic()
    while True:
        server.send(motion_block([0.5] * 55, 2, index % 2**32, time.time_ns()))
        index += 1
        time.sleep(max(0.0, begin + index / 50 - time.monotonic()))


def _attack(name: str, port: int, seconds: float) -> None:
    async def run() -> None:
        end = time.monotonic() + seconds
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(ATTACKS[name](port, end), seconds + 2)

    asyncio.run(run())


@dataclass
class _Seen:
    """What a polite viewer saw: ``gap`` and ``late`` in s, the most memory of the server meanwhile in MiB."""

    frames: int = 0
    gap: float = 0.0
    late: float = 0.0
    resident: float = 0.0


async def _view(port: int, seconds: float, watch: ProcessWatch | None = None) -> _Seen:
    """A polite viewer, for ``seconds``."""
    import aiohttp

    seen = _Seen()
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(f'http://127.0.0.1:{port}/socket') as link,
    ):
        end = time.monotonic() + seconds
        last = time.monotonic()
        while time.monotonic() < end:
            with contextlib.suppress(asyncio.TimeoutError):
                message = await link.receive(timeout=1.0)
                if message.type is aiohttp.WSMsgType.BINARY:
                    due = frame_due(message.data)
                    if due is not None:
                        seen.frames += 1
                        seen.gap, last = max(seen.gap, time.monotonic() - last), time.monotonic()
                        seen.late = max(seen.late, time.time() - due)
                elif message.type is not aiohttp.WSMsgType.TEXT:  # disconnected: the gap lasts until the end
                    break
            if watch is not None and seen.frames % 25 == 0:
                seen.resident = max(seen.resident, watch.sample().resident)
        await asyncio.sleep(max(0.0, end - time.monotonic()))
    seen.gap = max(seen.gap, time.monotonic() - last)
    return seen


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=60.0, help='of each attack (default: %(default)s)')
    parser.add_argument('--port', type=int, help='of a page that runs already, on this machine')
    parser.add_argument('--process', type=int, help='process of that page')
    args = parser.parse_args()
    if (args.port is None) != (args.process is None):
        parser.error('--port and --process go together')
    page = None if args.port is None else (args.port, args.process)
    print('\n'.join(f'- {key}: {value}' for key, value in machine().items()))
    print(attack_table(args.seconds, page).markdown())


if __name__ == '__main__':
    _main()
