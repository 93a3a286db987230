# SPDX-License-Identifier: Apache-2.0
"""Files, WebSocket and who may use them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

aiohttp = pytest.importorskip('aiohttp')
psutil = pytest.importorskip('psutil')

from diffposetalk_ros.errors import ConfigError  # noqa: E402
from diffposetalk_ros.motion.rig import load_rig  # noqa: E402
from diffposetalk_ros.viewer import server as server_module  # noqa: E402
from diffposetalk_ros.viewer.page_messages import motion_block  # noqa: E402
from diffposetalk_ros.viewer.rig_file import pack_rig  # noqa: E402
from diffposetalk_ros.viewer.server import ServerOptions, ViewerServer, is_loopback  # noqa: E402


def echo(command: dict[str, Any], upload: bytes) -> Future[dict[str, Any]]:
    done: Future[dict[str, Any]] = Future()
    if command['do'] == 'fail':
        done.set_exception(ConfigError('no such thing'))
    elif command['do'] == 'crash':
        done.set_exception(ZeroDivisionError('oops'))
    else:
        done.set_result({'size': len(upload)})
    return done


@pytest.fixture
def server() -> Iterator[ViewerServer]:
    server = ViewerServer(
        ServerOptions(port=0), b'rig', echo, time.time_ns, frozenset({'speak', 'fail', 'crash'})
    )
    yield server
    server.stop()


def talk(address: str, session: Callable[[Any, str], Any], **kwargs: Any) -> Any:
    async def run() -> Any:
        async with aiohttp.ClientSession(**kwargs) as client:
            return await asyncio.wait_for(session(client, address), 60)

    return asyncio.run(run())


async def status(client: Any, address: str, **kwargs: Any) -> int:
    async with client.get(address, **kwargs) as answer:
        return int(answer.status)


def test_files_are_there_and_weigh_little() -> None:
    server = ViewerServer(ServerOptions(port=0), pack_rig(load_rig()), echo, time.time_ns)
    try:

        async def session(client: Any, address: str) -> None:
            for name in ('', 'main.js', 'style.css', 'rig.bin', 'icon.svg'):
                assert await status(client, address + name) == 200
            for name in ('server.py', '../server.py', '%2e%2e/server.py', 'none'):
                assert await status(client, address + name) == 404
            async with client.get(address) as answer:
                assert "default-src 'self'" in answer.headers['Content-Security-Policy']

        talk(server.address, session)
        plain, travels = server.weight
        print(f'page weight {plain} bytes, {travels} compressed')
        assert plain <= 1_000_000
        assert travels < plain
    finally:
        server.stop()


def test_commands_are_answered_and_failures_told(server: ViewerServer) -> None:
    server.latch('info', {'space': 'arkit'})

    async def session(client: Any, address: str) -> None:
        async with client.ws_connect(f'{address}socket') as link:
            assert (await link.receive_json())['space'] == 'arkit'
            await link.send_bytes(b'12345')
            await link.send_json({'do': 'speak', 'id': 7})
            assert await link.receive_json() == {'type': 'answer', 'id': 7, 'ok': True, 'size': 5}
            await link.send_json({'do': 'fail', 'id': 8})
            assert (await link.receive_json())['message'] == 'no such thing'
            await link.send_json({'do': 'crash', 'id': 9})
            assert 'ZeroDivisionError' in (await link.receive_json())['message']
            for nonsense in ('{', '[]', '{"id": 3}', '17', '[' * 100_000):
                await link.send_str(nonsense)
                assert (await link.receive_json())['ok'] is False
            await link.send_json({'do': 'ping', 'sent': 3.5})
            pong = await link.receive_json()
            assert pong['sent'] == 3.5 and abs(pong['now'] - time.time() * 1e3) < 5000

    talk(server.address, session)


def test_every_viewer_gets_every_frame(server: ViewerServer) -> None:
    async def session(client: Any, address: str) -> None:
        links = [await client.ws_connect(f'{address}socket') for _ in range(3)]
        while server.viewers < 3:
            await asyncio.sleep(0.01)
        block = motion_block([0.5] * 55, 2, 4, 123_000_000)
        server.send(block)
        for link in links:
            assert await link.receive_bytes() == block
            await link.close()

    talk(server.address, session)
    assert len(motion_block([0.5] * 55, 2, 4, 1)) == 16 + 4 * 55


def test_sleeping_viewer_does_not_fill_the_memory(server: ViewerServer) -> None:
    async def session(client: Any, address: str) -> None:
        async with client.ws_connect(f'{address}socket') as link:
            while not server.viewers:
                await asyncio.sleep(0.01)
            for _ in range(200):  # 40 MB, read by nobody
                server.send(bytes(200_000))
            while server.counts['blocks dropped'] <= 100:
                await asyncio.sleep(0.01)
            assert max(visitor.outbox.waiting for visitor in server._clients.values()) < 1_000_000
            await link.close()

    talk(server.address, session)


def test_other_pages_and_names_are_refused(server: ViewerServer) -> None:
    async def session(client: Any, address: str) -> None:
        assert await status(client, address, headers={'Host': 'evil.example'}) == 403
        assert await status(client, address, headers={'Origin': 'http://evil.example'}) == 403
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.ws_connect(f'{address}socket', origin='http://evil.example')

    talk(server.address, session)


@pytest.mark.parametrize(
    'request_line', [b'GET / HTTP/9.9', b'GET / HTTP/1.1\r\nBad Header', b'GET / HTTP/1.1\r\nHost: :::']
)
def test_a_scan_of_ports_leaves_nothing_in_the_log(
    server: ViewerServer, request_line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(('127.0.0.1', server.port), 60.0) as scanner:
        scanner.sendall(request_line + b'\r\n\r\n')
        assert b' 400 ' in scanner.recv(100)
    assert not caplog.records


def test_visitors_that_leave_before_the_answer_leave_nothing_in_the_log(
    server: ViewerServer, caplog: pytest.LogCaptureFixture
) -> None:
    upgrade = (
        b'GET /socket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
        b'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n'
    )
    links = [socket.create_connection(('127.0.0.1', server.port), 60.0) for _ in range(250)]
    for link in links:  # more than are answered at once, so the last ones wait
        link.sendall(upgrade)
    for link in links:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))  # leave without a word
        link.close()
    assert talk(server.address, status) == 200  # answered after all of them
    assert not caplog.records


def test_token_opens_the_page_once_for_all_files() -> None:
    server = ViewerServer(ServerOptions('0.0.0.0', 0), b'rig', echo, time.time_ns)
    try:
        assert len(server.token) >= 16 and server.token in server.address

        async def session(client: Any, _: str) -> None:
            base = f'http://127.0.0.1:{server.port}/'
            assert await status(client, base) == 403
            assert await status(client, f'{base}?token=wrong') == 403
            assert await status(client, f'{base}main.js') == 403
            async with client.get(f'{base}?token={server.token}&kiosk=1') as answer:
                assert answer.status == 200 and 'token' not in str(answer.url)
                assert 'kiosk' in str(answer.url)
            assert await status(client, f'{base}main.js') == 200  # by the cookie
            async with client.ws_connect(f'{base}socket') as link:
                await link.send_json({'do': 'ping'})
                assert json.loads((await link.receive()).data)['type'] == 'pong'

        async def run() -> None:
            async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
                await session(client, '')

        asyncio.run(run())
    finally:
        server.stop()


def test_port_in_use_and_wrong_addresses_get_a_clear_word() -> None:
    with socket.socket() as holder:
        holder.bind(('127.0.0.1', 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(ConfigError, match=f'{port} is in use'):
            ViewerServer(ServerOptions(port=port), b'', echo, time.time_ns)
    for options in (ServerOptions('203.0.113.7', 0), ServerOptions('no.such.host.example', 0)):
        with pytest.raises(ConfigError, match='cannot be served'):
            ViewerServer(options, b'', echo, time.time_ns)
    with pytest.raises(ConfigError, match='port 70000'):
        ViewerServer(ServerOptions(port=70000), b'', echo, time.time_ns)


def test_stop_twice_and_send_after() -> None:
    server = ViewerServer(ServerOptions(port=0), b'', echo, time.time_ns)
    server.stop()
    server.stop()
    server.send(b'x')
    server.latch('info', {})
    with pytest.raises(OSError):
        socket.create_connection(('127.0.0.1', server.port), 1).close()


@pytest.mark.parametrize(
    ('host', 'mine'),
    [('127.0.0.1', True), ('::1', True), ('localhost', True), ('0.0.0.0', False), ('robot.local', False)],
)
def test_loopback(host: str, mine: bool) -> None:
    assert is_loopback(host) == mine


class Attack:
    """A server with a viewer that reads, while a test does something rude beside it."""

    def __init__(self, server: ViewerServer) -> None:
        self.server = server
        self.gaps: list[float] = []
        self._rude = False

    async def watch(self, client: Any, address: str, attack: Any) -> None:
        """Run ``attack``; a viewer beside it must go on getting frames."""
        async with client.ws_connect(f'{address}socket') as link:
            watching = asyncio.create_task(self._read(link))
            sending = asyncio.create_task(self._send())
            await asyncio.sleep(0.5)
            before = psutil.Process().memory_info().rss
            await attack
            self.grown = psutil.Process().memory_info().rss - before
            count = len(self.gaps)
            while len(self.gaps) == count:  # the other viewer still gets frames
                await asyncio.sleep(0.02)
            for task in (watching, sending):
                task.cancel()
        print(f'longest gap {1e3 * max(self.gaps):.0f} ms, memory {self.grown / 2**20:+.1f} MiB')

    async def _send(self) -> None:
        block = motion_block([0.5] * 55, 2, 4, 1)
        while True:
            self.server.send(block)
            await asyncio.sleep(0.02)

    async def _read(self, link: Any) -> None:
        last = time.monotonic()
        while True:
            await link.receive()
            self.gaps.append(time.monotonic() - last)
            last = time.monotonic()


def run_attack(server: ViewerServer, make: Callable[[Any, str], Any]) -> Attack:
    attack = Attack(server)

    async def session(client: Any, address: str) -> None:
        await attack.watch(client, address, make(client, address))

    async def run() -> None:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as client:
            await asyncio.wait_for(session(client, server.address), 120)

    asyncio.run(run())
    return attack


async def upgraded(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket without a client library, which would be more polite."""
    reader, writer = await asyncio.open_connection('127.0.0.1', port, limit=2**12)
    writer.write(
        f'GET /socket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n'
        'Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
        'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n'.encode()
    )
    return reader, writer


def test_answers_that_nobody_reads_do_not_pile_up(server: ViewerServer) -> None:
    async def attack(client: Any, address: str) -> None:
        _, writer = await upgraded(server.port)
        text = json.dumps({'do': 'ping', 'sent': 1.0, 'padding': 'x' * 10_000}).encode()
        frame = bytes([0x81, 0x80 | 126]) + len(text).to_bytes(2, 'big') + bytes(4) + text
        end = time.monotonic() + 4
        while time.monotonic() < end:
            writer.write(frame)
            try:
                await asyncio.wait_for(writer.drain(), 0.2)
            except (asyncio.TimeoutError, ConnectionError):
                await asyncio.sleep(0.05)
        writer.transport.abort()

    assert run_attack(server, attack).grown < 50 * 2**20


def test_an_echo_is_a_number(server: ViewerServer) -> None:
    async def session(client: Any, address: str) -> None:
        async with client.ws_connect(f'{address}socket') as link:
            await link.send_json({'do': 'ping', 'sent': 'x' * 1000})
            assert (await link.receive_json())['sent'] is None
            await link.send_json({'do': 'nothing', 'id': 'x' * 1000})
            assert (await link.receive_json())['id'] is None

    talk(server.address, session)


def test_a_giant_text_ends_its_own_connection_only(server: ViewerServer) -> None:
    taken = []

    async def attack(client: Any, address: str) -> None:
        piece = b'1,' * 2**15
        for _ in range(3):
            reader, writer = await upgraded(server.port)
            writer.write(bytes([0x81, 0x80 | 127]) + (53_000_000).to_bytes(8, 'big') + bytes(4))
            sent = 0
            with contextlib.suppress(ConnectionError):
                while sent < 53_000_000 and not reader.at_eof():
                    writer.write(piece)
                    await writer.drain()
                    sent += len(piece)
            taken.append(sent)
            writer.transport.abort()

    assert run_attack(server, attack).grown < 50 * 2**20
    assert max(taken) < 20_000_000, 'it is refused by its length, not read'


def test_half_open_connections_lock_nobody_out(server: ViewerServer) -> None:
    async def attack(client: Any, address: str) -> None:
        idle = []
        for _ in range(600):
            with contextlib.suppress(OSError):
                idle.append((await asyncio.open_connection('127.0.0.1', server.port))[1])
        async with aiohttp.ClientSession() as visitor:
            assert await status(visitor, f'{address}main.js') == 200
            async with visitor.ws_connect(f'{address}socket') as link:
                await link.send_json({'do': 'ping', 'sent': 1.0})
                while (await link.receive()).type != aiohttp.WSMsgType.TEXT:
                    pass
        for writer in idle:
            writer.transport.abort()

    run_attack(server, attack)
    assert server.counts['connections evicted'] >= 300


def test_a_flood_of_commands_slows_only_its_sender(server: ViewerServer) -> None:
    answered = 0

    async def attack(client: Any, address: str) -> None:
        nonlocal answered
        links = [await client.ws_connect(f'{address}socket') for _ in range(4)]
        end = time.monotonic() + 3

        async def flood(link: Any) -> None:
            while time.monotonic() < end:
                with contextlib.suppress(asyncio.TimeoutError, ConnectionError):
                    await asyncio.wait_for(link.send_str('{"do": "nonsense", "id": 1}'), 0.1)
                await asyncio.sleep(0)

        async def count(link: Any) -> None:
            nonlocal answered
            while time.monotonic() < end:
                with contextlib.suppress(asyncio.TimeoutError):
                    message = await asyncio.wait_for(link.receive(), 0.1)
                    answered += message.type == aiohttp.WSMsgType.TEXT

        await asyncio.gather(*(do(link) for link in links for do in (flood, count)))

    run_attack(server, attack)
    # Four pages with a burst of 40 commands and 20 a second each.
    assert 10 < answered < 4 * (40 + 20 * 4)


def test_there_is_a_most_of_viewers_and_of_uploads(
    server: ViewerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, '_MOST_VIEWERS', 2)

    async def session(client: Any, address: str) -> None:
        links = [await client.ws_connect(f'{address}socket') for _ in range(2)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(f'{address}socket')
        assert refused.value.status == 503
        for link in links:
            await link.close()
        for data, code in ((b'12345', 200), (b'', 413), (bytes(11 * 2**20), 413)):
            async with client.post(f'{address}speech', data=data) as answer:
                assert answer.status == code
        headers = {'Origin': 'http://evil.example'}
        async with client.post(f'{address}speech', data=b'1', headers=headers) as answer:
            assert answer.status == 403

        go_on = asyncio.Event()

        async def slow() -> Any:
            yield b'1'
            await go_on.wait()
            yield b'2'

        sending = asyncio.create_task(
            client.post(f'{address}speech', data=slow(), headers={'Content-Length': '2'})
        )
        while not server._uploading:
            await asyncio.sleep(0.01)
        async with client.post(f'{address}speech', data=b'1') as answer:
            assert answer.status == 503
        go_on.set()
        assert (await sending).status == 200

    # The server closes the connection of an upload that it refuses: the next one takes another.
    talk(server.address, session, headers={'Connection': 'close'})
    assert server.counts['viewers refused'] == 1


def test_a_taken_port_is_stepped_over_and_the_bound_one_told() -> None:
    with socket.socket() as holder:
        holder.bind(('127.0.0.1', 0))
        holder.listen()
        port = holder.getsockname()[1]
        server = ViewerServer(ServerOptions(port=port, attempts=20), b'', echo, time.time_ns)
        try:
            assert port < server.port < port + 20 and f':{server.port}/' in server.address
        finally:
            server.stop()


def test_a_port_is_taken_again_at_once_after_visitors_were_there() -> None:
    port = 0
    for _ in range(3):
        server = ViewerServer(ServerOptions(port=port), b'', echo, time.time_ns)
        port = server.port

        async def session(client: Any, address: str) -> None:
            async with client.ws_connect(f'{address}socket') as link:
                server.stop()  # it closes first: the connection is in TIME_WAIT on its side  # noqa: B023
                await link.receive()

        talk(server.address, session)
