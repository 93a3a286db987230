# SPDX-License-Identifier: Apache-2.0
"""The page's server: static files, the rig, and a WebSocket per viewer. Imports no ROS.

It runs an event loop in its own thread. Every public method may be called from any thread.
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
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from diffposetalk_ros.errors import ConfigError, DiffPoseTalkError
from diffposetalk_ros.viewer.connection_gate import ConnectionGate
from diffposetalk_ros.viewer.outbox import Outbox
from diffposetalk_ros.viewer.token_bucket import TokenBucket

__all__ = ['COMMANDS', 'Handler', 'ServerOptions', 'ViewerServer', 'is_loopback']

PAGE = Path(__file__).with_name('page')
_TYPES = {
    '.html': 'text/html',
    '.js': 'text/javascript',
    '.css': 'text/css',
    '.svg': 'image/svg+xml',
    '.bin': 'application/octet-stream',
    '.mjs': 'text/javascript',
    '.wasm': 'application/wasm',
    '.task': 'application/octet-stream',
}
_HEADERS = {
    'Cache-Control': 'no-cache',
    # WebAssembly is for the face tracker, which this server delivers like everything else.
    'Content-Security-Policy': (
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data:; frame-ancestors 'none'"
    ),
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
}
_COOKIE = 'diffposetalk_token'
_UPLOAD = 10 * 2**20
"""Bytes of the longest speech a page may send: 300 s at 16 kHz."""
_MESSAGE, _COMMAND = 2**18, 2**14
"""Bytes of a message over the WebSocket (a second of a microphone), and of a command."""
_MOST_VIEWERS = 128
_MOST_CALLS = 32
"""Commands of one page that may be under way at once."""
_COSTS = {'ping': 1.0, 'hear': 1.0, 'face': 1.0}
_COST = 10.0
"""Tokens that a command takes: the time, microphone and camera come often, everything else by hand."""

Handler = Callable[[dict[str, Any], bytes], 'Future[dict[str, Any]]']
"""Takes a command of a page and what was uploaded with it; the answer comes in the future."""

COMMANDS = frozenset(
    {
        'interrupt',
        'style',
        'parameter',
        'record',
        'hear',
        'sample',
        'report',
        'face',
        'own_style',
        'load_style',
    }
)
"""What a page may ask for; ``speak`` comes as an upload of its own."""


@dataclass(frozen=True)
class ServerOptions:
    """``port`` 0: any free one. ``token`` must be presented by a visitor; if empty, none is needed on
    loopback, and a random one is made elsewhere. ``attempts``: number of ports from ``port`` on that are tried."""

    host: str = '127.0.0.1'
    port: int = 8765
    token: str = ''
    attempts: int = 1


def is_loopback(host: str) -> bool:
    """Whether an address or name is that of the loopback interface."""
    try:
        return ipaddress.ip_address(host.strip('[]')).is_loopback
    except ValueError:
        return host == 'localhost'


class ViewerServer:
    """Serves until `stop`. ``rig`` is the content of /rig.bin; ``now`` gives the motion's clock in ns;
    ``commands`` are those that the handler knows. ``tracker`` holds the files of the page's face tracker by
    name. They are large, so they stay on disk; they are served below /camera/. ``faces`` makes the
    content of /rig.bin?face=NAME at the first request.

    The constructor binds the port. Raises ConfigError for a port in use, an address that is not
    of this machine, or when aiohttp is not installed.
    """

    def __init__(
        self,
        options: ServerOptions,
        rig: bytes,
        handler: Handler,
        now: Callable[[], int],
        commands: frozenset[str] = COMMANDS,
        tracker: Mapping[str, Path] | None = None,
        faces: Mapping[str, Callable[[], bytes]] | None = None,
    ) -> None:
        try:
            self._web: Any = import_module('aiohttp.web')
            malformed: Any = import_module('aiohttp.http_exceptions').HttpProcessingError
        except ImportError as error:
            raise ConfigError(f'the page needs aiohttp ({error}); pip install aiohttp') from error
        if not 0 <= options.port <= 65535:
            raise ConfigError(f'port {options.port}; use 1 to 65535, or 0 for any free one')
        # A malformed request gets the answer 400, and a visitor may leave before the answer. Neither a port scan nor
        # a flood may fill the log with tracebacks.
        self._log = logging.Logger(__name__)
        self._log.parent = logging.getLogger('aiohttp.server')
        self._log.addFilter(
            lambda record: (
                not (record.exc_info and isinstance(record.exc_info[1], (malformed, ConnectionError)))
            )
        )
        self._options = options
        self._open = is_loopback(options.host)
        self.token = options.token or ('' if self._open else token_urlsafe(16))
        self._handler, self._now, self._known = handler, now, commands
        self._files = _load(PAGE) | {'/rig.bin': (rig, gzip.compress(rig, 9), _TYPES['.bin'])}
        self._faces, self._made = faces or {}, dict[str, tuple[bytes, bytes, str]]()
        self._large = {f'/camera/{name}': path for name, path in (tracker or {}).items()}
        self._clients: dict[Any, _Visitor] = {}
        self._counts = {'slow viewers closed': 0, 'viewers refused': 0, 'blocks dropped': 0}
        self._uploading = False
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
                if options.attempts > 1:
                    where = f'every port from {options.port} to {self._last_port} of {options.host}'
                raise ConfigError(f'{where} is in use; give another port, or 0 for any free one') from error
            raise ConfigError(f'{where} cannot be served ({error.strerror or error})') from error

    @property
    def address(self) -> str:
        """Address for the browser, token included."""
        host = self._options.host
        shown = f'[{host}]' if ':' in host else host
        return f'http://{shown}:{self.port}/' + (f'?token={self.token}' if self.token else '')

    @property
    def public_address(self) -> str:
        """The address without the token, for logs."""
        return self.address.partition('?')[0]

    @property
    def counts(self) -> dict[str, int]:
        """Counts of what was refused or dropped because of limits, by name."""
        dropped = sum(visitor.outbox.dropped for visitor in list(self._clients.values()))
        counts = self._counts | {'connections evicted': self._gate.evicted}
        return counts | {'blocks dropped': counts['blocks dropped'] + dropped}

    @property
    def viewers(self) -> int:
        """Pages connected now."""
        return len(self._clients)

    @property
    def weight(self) -> tuple[int, int]:
        """Bytes of all files, uncompressed and compressed."""
        files = self._files.values()
        return sum(len(plain) for plain, _, _ in files), sum(len(packed) for _, packed, _ in files)

    def send(self, message: bytes | dict[str, Any]) -> None:
        """Send a binary block or JSON to every viewer."""
        if not self._clients:
            return
        data = message if isinstance(message, bytes) else json.dumps(message)
        self._call(lambda: self._enqueue(data))

    def latch(self, kind: str, message: dict[str, Any]) -> None:
        """Send JSON with ``type`` = kind to every viewer and to later ones when they connect."""
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
            await self._requests.take()
            try:
                self._refuse_strangers(request)
            except ValueError as error:  # an invalid Host header
                raise self._web.HTTPBadRequest(text=f'{error}\n') from None
            return await handler(request)

        app = self._web.Application(middlewares=[guard], client_max_size=_UPLOAD)
        app.router.add_get('/socket', self._socket)
        app.router.add_post('/speech', self._speech)
        app.router.add_get('/{name:.*}', self._file)
        runner = self._web.AppRunner(
            app, access_log=None, logger=self._log, shutdown_timeout=1.0, keepalive_timeout=15.0
        )
        await runner.setup()
        self._requests, self._commands = TokenBucket(200, 200), TokenBucket(1000, 1000)
        self._gate = ConnectionGate(runner.server)
        try:
            server = await self._listen()
        except OSError as error:
            await runner.cleanup()
            started.set_exception(error)
            return
        started.set_result(server.sockets[0].getsockname()[1])
        await self._closing.wait()
        server.close()
        for socket in list(self._clients):
            await socket.close(code=1001, message=b'server ends')
        await runner.cleanup()

    async def _listen(self) -> asyncio.Server:
        """Serve on the first free port, which is known only once it is bound."""
        first = self._options.port
        self._last_port = min(65535, first + self._options.attempts - 1) if first else 0
        for port in range(first, self._last_port + 1):
            try:
                # Ports of connections that have just ended can be reused (SO_REUSEADDR).
                return await self._loop.create_server(
                    self._gate, self._options.host, port, backlog=128, reuse_address=True
                )
            except OSError as error:
                if error.errno != errno.EADDRINUSE or port == self._last_port:
                    raise
        raise AssertionError('there is always a first port')

    def _refuse_strangers(self, request: Any) -> None:
        # A foreign page in the same browser may send requests here, and a foreign name may resolve
        # to this machine. Without a token, names other than this machine's are therefore refused.
        if not self.token and not is_loopback(request.url.host or ''):
            raise self._web.HTTPForbidden(text='open this page by its address 127.0.0.1\n')
        origin = request.headers.get('Origin')
        if origin is not None and origin.split('://')[-1] != request.host:
            raise self._web.HTTPForbidden(text='another page may not talk to this one\n')
        if self.token:
            given = request.query.get('token', '') or request.cookies.get(_COOKIE, '')
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                raise self._web.HTTPForbidden(
                    text="open the address with ?token=... from the node's address file\n"
                )
            if 'token' in request.query and request.path == '/':
                rest = request.rel_url.without_query_params('token')
                found = self._web.HTTPFound(rest)
                found.set_cookie(_COOKIE, self.token, httponly=True, samesite='Strict')
                raise found

    async def _file(self, request: Any) -> Any:
        name = request.path if request.path != '/' else '/index.html'
        if name in self._large:
            path = self._large[name]
            about = {**_HEADERS, 'Content-Type': _TYPES.get(path.suffix, _TYPES['.bin'])}
            return self._web.FileResponse(path, headers=about)
        face = request.query.get('face', '') if name == '/rig.bin' else ''
        if name not in self._files:
            raise self._web.HTTPNotFound(text=f'no {name} here\n')
        plain, packed, kind = await self._face(face) if face else self._files[name]
        headers = dict(_HEADERS)
        if 'gzip' in request.headers.get('Accept-Encoding', ''):
            headers['Content-Encoding'] = 'gzip'
            plain = packed
        charset = 'utf-8' if kind.startswith('text') else None
        return self._web.Response(body=plain, content_type=kind, charset=charset, headers=headers)

    async def _face(self, name: str) -> tuple[bytes, bytes, str]:
        if name not in self._faces:
            raise self._web.HTTPNotFound(
                text=f'no face of that name; use {", ".join(self._faces) or "none"}\n'
            )
        if name not in self._made:  # half a second of work, which must not delay other visitors
            data = await asyncio.to_thread(self._faces[name])
            self._made[name] = (data, gzip.compress(data, 9), _TYPES['.bin'])
        return self._made[name]

    async def _speech(self, request: Any) -> Any:
        """Receive a whole recording; one at a time, since it is held in memory."""
        if not 0 < (request.content_length or 0) <= _UPLOAD:
            raise self._web.HTTPRequestEntityTooLarge(
                _UPLOAD, request.content_length or 0, text=f'send 1 to {_UPLOAD} bytes, with their number\n'
            )
        if self._uploading:
            raise self._web.HTTPServiceUnavailable(text='somebody else is sending speech; try again\n')
        self._uploading = True
        self._gate.keep(request.transport)
        try:
            data = await asyncio.wait_for(request.read(), 60.0)
            answer = await asyncio.wrap_future(self._handler({'do': 'speak'}, data))
        except asyncio.TimeoutError:
            raise self._web.HTTPRequestTimeout(text='the speech did not arrive within 60 s\n') from None
        except DiffPoseTalkError as error:
            raise self._web.HTTPBadRequest(text=f'{error}\n') from None
        finally:
            self._uploading = False
            self._gate.keep(request.transport, kept=False)
        return self._web.json_response({'ok': True, **answer})

    async def _socket(self, request: Any) -> Any:
        if len(self._clients) >= _MOST_VIEWERS:
            self._counts['viewers refused'] += 1
            raise self._web.HTTPServiceUnavailable(text=f'{_MOST_VIEWERS} viewers are connected already\n')
        socket = self._web.WebSocketResponse(heartbeat=10.0, max_msg_size=_MESSAGE, compress=False)
        await socket.prepare(request)
        self._gate.keep(request.transport)
        outbox = Outbox()
        for data in self._latched.values():
            outbox.put(data)
        visitor = self._clients[socket] = _Visitor(request.transport, outbox)
        sender = asyncio.create_task(_drain(socket, outbox))
        upload = b''
        try:
            async for message in socket:
                if isinstance(message.data, bytes):
                    upload = message.data
                    await visitor.tokens.take()
                elif isinstance(message.data, str):
                    await self._answer(visitor, message.data, upload)
                    upload = b''
        finally:
            del self._clients[socket]
            self._counts['blocks dropped'] += outbox.dropped
            sender.cancel()
        return socket

    async def _answer(self, visitor: _Visitor, text: str, upload: bytes) -> None:
        command = _read_command(text)
        kind = command.get('do')
        cost = _COSTS.get(str(kind), _COST)
        # Only a visitor with too many requests is read more slowly.
        await visitor.tokens.take(cost)
        await self._commands.take(cost)
        number = command.get('id') if isinstance(command.get('id'), (int, float)) else None
        if kind == 'ping':
            sent = command.get('sent') if isinstance(command.get('sent'), (int, float)) else None
            self._post(visitor, {'type': 'pong', 'sent': sent, 'now': self._now() / 1e6})
            return
        if not isinstance(kind, str) or kind not in self._known:
            known = kind is not None and len(str(kind)) <= 40
            message = f'{kind!r} is not a command of this page' if known else 'not a command'
            self._post(visitor, {'type': 'answer', 'id': number, 'ok': False, 'message': message})
            return
        await visitor.calls.acquire()

        def reply(done: Future[dict[str, Any]]) -> None:
            try:
                answer = {'ok': True, **done.result()}
            except DiffPoseTalkError as error:
                answer = {'ok': False, 'message': str(error)}
            except Exception as error:
                answer = {'ok': False, 'message': f'{kind} failed: {error!r}'}
            self._call(lambda: finish(answer))

        def finish(answer: dict[str, Any]) -> None:
            visitor.calls.release()
            self._post(visitor, {'type': 'answer', 'id': number, **answer})

        self._handler(command, upload).add_done_callback(reply)

    def _post(self, visitor: _Visitor, message: dict[str, Any]) -> None:
        if not visitor.outbox.put(json.dumps(message)):
            self._drop(visitor.transport)

    def _drop(self, transport: Any) -> None:
        """End the connection of a viewer that reads nothing."""
        if transport is not None and not transport.is_closing():
            self._counts['slow viewers closed'] += 1
            transport.abort()

    def _enqueue(self, data: bytes | str) -> None:
        for visitor in self._clients.values():
            if not visitor.outbox.put(data):
                self._drop(visitor.transport)


class _Visitor:
    """Rate limits of one connected page."""

    def __init__(self, transport: Any, outbox: Outbox) -> None:
        self.transport, self.outbox = transport, outbox
        self.tokens = TokenBucket(200, 400)
        self.calls = asyncio.Semaphore(_MOST_CALLS)


def _read_command(text: str) -> dict[str, Any]:
    """The object in a JSON text; an empty one for anything else."""
    if len(text) > _COMMAND:
        return {}
    try:
        command = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return command if isinstance(command, dict) else {}


async def _drain(socket: Any, outbox: Outbox) -> None:
    try:
        while True:
            data = await outbox.get()
            await (socket.send_bytes(data) if isinstance(data, bytes) else socket.send_str(data))
    except (ConnectionError, RuntimeError):
        return  # disconnected; the receiving side ends by itself


def _load(folder: Path) -> dict[str, tuple[bytes, bytes, str]]:
    """Path -> (content, content compressed, type) of every file of the page."""
    files = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            files[f'/{path.name}'] = (content, gzip.compress(content, 9), _TYPES[path.suffix])
    return files
