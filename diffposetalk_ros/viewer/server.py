# SPDX-License-Identifier: Apache-2.0
"""The page's server: static files, the rig, and a WebSocket per viewer. Imports no ROS.

It runs an event loop in a thread of its own; every public method may be called from any thread.
"""

from __future__ import annotations

import asyncio
import errno
import gzip
import hmac
import ipaddress
import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from diffposetalk_ros.errors import ConfigError, DiffPoseTalkError

__all__ = ['Handler', 'ServerOptions', 'ViewerServer', 'is_loopback']

PAGE = Path(__file__).with_name('page')
_TYPES = {
    '.html': 'text/html',
    '.js': 'text/javascript',
    '.css': 'text/css',
    '.svg': 'image/svg+xml',
    '.bin': 'application/octet-stream',
}
_HEADERS = {
    'Cache-Control': 'no-cache',
    'Content-Security-Policy': "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
}
_COOKIE = 'diffposetalk_token'
_BACKLOG = 256
_UPLOAD = 64 * 2**20

Handler = Callable[[dict[str, Any], bytes], 'Future[dict[str, Any]]']
"""Takes a command of a page and what was uploaded with it; the answer comes in the future."""


@dataclass(frozen=True)
class ServerOptions:
    """``port`` 0: any free one. ``token`` is what a visitor must present; empty: none is needed on
    loopback, a random one is made elsewhere."""

    host: str = '127.0.0.1'
    port: int = 8765
    token: str = ''


def is_loopback(host: str) -> bool:
    """Whether an address or name is of this machine only."""
    try:
        return ipaddress.ip_address(host.strip('[]')).is_loopback
    except ValueError:
        return host == 'localhost'


class ViewerServer:
    """Serves until `stop`. ``rig`` is the answer of /rig.bin; ``now`` gives the motion's clock in ns.

    The constructor binds the port. Raises ConfigError for a port in use, an address that is not
    of this machine, or when aiohttp is not installed.
    """

    def __init__(self, options: ServerOptions, rig: bytes, handler: Handler, now: Callable[[], int]) -> None:
        try:
            self._web: Any = import_module('aiohttp.web')
            malformed: Any = import_module('aiohttp.http_exceptions').HttpProcessingError
        except ImportError as error:
            raise ConfigError(f'the page needs aiohttp ({error}); pip install aiohttp') from error
        if not 0 <= options.port <= 65535:
            raise ConfigError(f'port {options.port}; use 1 to 65535, or 0 for any free one')
        # A request that is none is answered with 400: a scan of ports shall not fill the log with tracebacks.
        self._log = logging.Logger(__name__)
        self._log.parent = logging.getLogger('aiohttp.server')
        self._log.addFilter(
            lambda record: not (record.exc_info and isinstance(record.exc_info[1], malformed))
        )
        self._options = options
        self._open = is_loopback(options.host)
        self.token = options.token or ('' if self._open else token_urlsafe(16))
        self._handler, self._now = handler, now
        self._files = _load(PAGE) | {'/rig.bin': (rig, gzip.compress(rig, 9), _TYPES['.bin'])}
        self._clients: dict[Any, asyncio.Queue[bytes | str]] = {}
        self._latched: dict[str, str] = {}
        self._loop = asyncio.new_event_loop()
        started: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True, name='page')
        self._thread.start()
        try:
            self.port = started.result(10.0)
        except OSError as error:
            where = f'{options.host}:{options.port}'
            if error.errno == errno.EADDRINUSE:
                raise ConfigError(f'{where} is in use; give another port, or 0 for any free one') from error
            raise ConfigError(f'{where} cannot be served ({error.strerror or error})') from error

    @property
    def address(self) -> str:
        """What to type into the browser, token included."""
        host = self._options.host
        shown = f'[{host}]' if ':' in host else host
        return f'http://{shown}:{self.port}/' + (f'?token={self.token}' if self.token else '')

    @property
    def viewers(self) -> int:
        """Pages connected now."""
        return len(self._clients)

    @property
    def weight(self) -> tuple[int, int]:
        """Bytes of all files, and of what travels (compressed)."""
        files = self._files.values()
        return sum(len(plain) for plain, _, _ in files), sum(len(packed) for _, packed, _ in files)

    def send(self, message: bytes | dict[str, Any]) -> None:
        """To every viewer: a binary block, or JSON."""
        if not self._clients:
            return
        data = message if isinstance(message, bytes) else json.dumps(message)
        self._call(lambda: self._enqueue(data))

    def latch(self, kind: str, message: dict[str, Any]) -> None:
        """JSON with ``type`` = kind to every viewer, and to those who come later."""
        data = json.dumps({'type': kind, **message})

        def store() -> None:
            self._latched[kind] = data
            self._enqueue(data)

        self._call(store)

    def stop(self) -> None:
        """Close every connection and the port. Idempotent."""
        if self._thread.is_alive():
            self._call(self._closing.set)
            self._thread.join(5.0)

    # ---- in the thread of the loop ---------------------------------------------------------------

    def _call(self, function: Callable[[], object]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)

    def _run(self, started: Future[int]) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve(started))
        finally:
            self._loop.close()

    async def _serve(self, started: Future[int]) -> None:
        self._closing = asyncio.Event()

        @self._web.middleware  # type: ignore[untyped-decorator,unused-ignore]
        async def guard(request: Any, handler: Any) -> Any:
            try:
                self._refuse_strangers(request)
            except ValueError as error:  # a Host header that is none
                raise self._web.HTTPBadRequest(text=f'{error}\n') from None
            return await handler(request)

        app = self._web.Application(middlewares=[guard])
        app.router.add_get('/socket', self._socket)
        app.router.add_get('/{name:.*}', self._file)
        runner = self._web.AppRunner(app, access_log=None, logger=self._log, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = self._web.TCPSite(runner, self._options.host, self._options.port)
            await site.start()
        except OSError as error:
            await runner.cleanup()
            started.set_exception(error)
            return
        started.set_result(runner.addresses[0][1])
        await self._closing.wait()
        for socket in list(self._clients):
            await socket.close(code=1001, message=b'server ends')
        await runner.cleanup()

    def _refuse_strangers(self, request: Any) -> None:
        # A foreign page in the same browser may send requests here, and a foreign name may point
        # here: names other than this machine's are refused where no token protects.
        if not self.token and not is_loopback(request.url.host or ''):
            raise self._web.HTTPForbidden(text='open this page by its address 127.0.0.1\n')
        origin = request.headers.get('Origin')
        if origin is not None and origin.split('://')[-1] != request.host:
            raise self._web.HTTPForbidden(text='another page may not talk to this one\n')
        if self.token:
            given = request.query.get('token', '') or request.cookies.get(_COOKIE, '')
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                raise self._web.HTTPForbidden(text='open the address with ?token=... the node has printed\n')
            if 'token' in request.query and request.path == '/':
                rest = request.rel_url.without_query_params('token')
                found = self._web.HTTPFound(rest)
                found.set_cookie(_COOKIE, self.token, httponly=True, samesite='Strict')
                raise found

    async def _file(self, request: Any) -> Any:
        name = request.path if request.path != '/' else '/index.html'
        if name not in self._files:
            raise self._web.HTTPNotFound(text=f'no {name} here\n')
        plain, packed, kind = self._files[name]
        headers = dict(_HEADERS)
        if 'gzip' in request.headers.get('Accept-Encoding', ''):
            headers['Content-Encoding'] = 'gzip'
            plain = packed
        charset = 'utf-8' if kind.startswith('text') else None
        return self._web.Response(body=plain, content_type=kind, charset=charset, headers=headers)

    async def _socket(self, request: Any) -> Any:
        socket = self._web.WebSocketResponse(heartbeat=10.0, max_msg_size=_UPLOAD, compress=False)
        await socket.prepare(request)
        queue: asyncio.Queue[bytes | str] = asyncio.Queue()
        for data in self._latched.values():
            queue.put_nowait(data)
        self._clients[socket] = queue
        sender = asyncio.create_task(_drain(socket, queue))
        upload = b''
        try:
            async for message in socket:
                if isinstance(message.data, bytes):
                    upload = message.data
                elif isinstance(message.data, str):
                    await self._answer(queue, message.data, upload)
                    upload = b''
        finally:
            del self._clients[socket]
            sender.cancel()
        return socket

    async def _answer(self, queue: asyncio.Queue[bytes | str], text: str, upload: bytes) -> None:
        try:
            command = json.loads(text)
            kind = command['do']
        except (ValueError, KeyError, TypeError, RecursionError):
            queue.put_nowait(json.dumps({'type': 'answer', 'ok': False, 'message': 'not a command'}))
            return
        if kind == 'ping':
            queue.put_nowait(
                json.dumps({'type': 'pong', 'sent': command.get('sent'), 'now': self._now() / 1e6})
            )
            return
        future = self._handler(command, upload)

        def reply(done: Future[dict[str, Any]]) -> None:
            try:
                answer = {'ok': True, **done.result()}
            except DiffPoseTalkError as error:
                answer = {'ok': False, 'message': str(error)}
            except Exception as error:
                answer = {'ok': False, 'message': f'{kind} failed: {error!r}'}
            text = json.dumps({'type': 'answer', 'id': command.get('id'), **answer})
            self._call(lambda: queue.put_nowait(text))

        future.add_done_callback(reply)

    def _enqueue(self, data: bytes | str) -> None:
        for queue in self._clients.values():
            if queue.qsize() > _BACKLOG and isinstance(data, bytes):
                continue  # a viewer that sleeps misses frames instead of filling the memory
            queue.put_nowait(data)


async def _drain(socket: Any, queue: asyncio.Queue[bytes | str]) -> None:
    try:
        while True:
            data = await queue.get()
            await (socket.send_bytes(data) if isinstance(data, bytes) else socket.send_str(data))
    except (ConnectionError, RuntimeError):
        return  # gone; the receiving side ends by itself


def _load(folder: Path) -> dict[str, tuple[bytes, bytes, str]]:
    """Path -> (content, content compressed, type) of every file of the page."""
    files = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            files[f'/{path.name}'] = (content, gzip.compress(content, 9), _TYPES[path.suffix])
    return files
