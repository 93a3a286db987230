# SPDX-License-Identifier: Apache-2.0
"""Files, WebSocket and who may use them."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

aiohttp = pytest.importorskip('aiohttp')

from diffposetalk_ros.errors import ConfigError  # noqa: E402
from diffposetalk_ros.motion.rig import load_rig  # noqa: E402
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
    server = ViewerServer(ServerOptions(port=0), b'rig', echo, time.time_ns)
    yield server
    server.stop()


def talk(address: str, session: Callable[[Any, str], Any], **kwargs: Any) -> Any:
    async def run() -> Any:
        async with aiohttp.ClientSession(**kwargs) as client:
            return await asyncio.wait_for(session(client, address), 20)

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
            await asyncio.sleep(0.5)
            assert max(queue.qsize() for queue in server._clients.values()) <= 260
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
    with socket.create_connection(('127.0.0.1', server.port), 5.0) as scanner:
        scanner.sendall(request_line + b'\r\n\r\n')
        assert b' 400 ' in scanner.recv(100)
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
