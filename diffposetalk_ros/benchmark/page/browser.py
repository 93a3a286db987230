# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, driven over its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from diffposetalk_ros.benchmark.process_watch import ProcessWatch
from diffposetalk_ros.errors import ConfigError

__all__ = ['CHROMIUM', 'Browser']

CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)

_FLAGS = (
    '--headless=new',
    '--no-sandbox',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-dev-shm-usage',
    '--use-gl=angle',
    '--use-angle=swiftshader',
    '--enable-unsafe-swiftshader',
    '--remote-debugging-port=0',
    '--remote-allow-origins=*',
)


class Browser:
    """One window of ``size`` pixels on software GL. ``sound``: pages may play without a click, as in a kiosk.
    ``microphone``: a WAV file that pages hear, again and again, through the microphone. ``camera``: a video
    (.mjpeg, .y4m) that they see through the camera. ``allowed``: whether pages may use the two.

    ``problems`` collects what its console tells, ``requests`` every address it asks for, ``sent`` every binary
    message that a page sends. Raises ConfigError where there is no Chromium or it does
    not start.
    """

    def __init__(
        self,
        size: tuple[int, int] = (1280, 720),
        sound: bool = True,
        microphone: Path | None = None,
        camera: Path | None = None,
        allowed: bool = True,
    ) -> None:
        if CHROMIUM is None:
            raise ConfigError('no Chromium on this machine; apt install chromium')
        self._folder = tempfile.mkdtemp(prefix='chromium-')
        flags = [f'--user-data-dir={self._folder}', f'--window-size={size[0]},{size[1]}']
        if sound:
            flags.append('--autoplay-policy=no-user-gesture-required')
        if microphone is not None or camera is not None:
            answer = '' if allowed else '=deny'
            flags += [f'--use-fake-ui-for-media-stream{answer}', '--use-fake-device-for-media-stream']
        if microphone is not None:
            flags.append(f'--use-file-for-fake-audio-capture={microphone}')
        if camera is not None:
            flags.append(f'--use-file-for-fake-video-capture={camera}')
        self._process = subprocess.Popen(
            [CHROMIUM, *_FLAGS, *flags, 'about:blank'],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._loop = asyncio.new_event_loop()
        self._number = 0
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.sent: list[bytes] = []
        try:
            self._loop.run_until_complete(self._connect())
            for domain in ('Page', 'Runtime', 'Log', 'Network'):
                self.call(f'{domain}.enable')
            self.call(
                'Emulation.setDeviceMetricsOverride',
                width=size[0],
                height=size[1],
                deviceScaleFactor=1,
                mobile=False,
            )
        except BaseException:
            self.close()
            raise

    async def _connect(self) -> None:
        import aiohttp

        port_file = Path(self._folder) / 'DevToolsActivePort'
        deadline = time.monotonic() + 60
        while not (port_file.is_file() and port_file.read_text().strip()):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise ConfigError(f'{CHROMIUM} does not start; run it by hand with --headless to see why')
            await asyncio.sleep(0.05)
        port = port_file.read_text().split()[0]
        self._session = aiohttp.ClientSession()
        while True:
            async with self._session.get(f'http://127.0.0.1:{port}/json/list') as answer:
                pages = [page for page in await answer.json() if page['type'] == 'page']
            if pages:
                break
            await asyncio.sleep(0.05)
        self._socket = await self._session.ws_connect(pages[0]['webSocketDebuggerUrl'], max_msg_size=0)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A DevTools method and its result."""
        return self._loop.run_until_complete(asyncio.wait_for(self._call(method, parameters), 60))

    async def _call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        number = self._number
        await self._socket.send_json({'id': number, 'method': method, 'params': parameters})
        while True:
            message = json.loads((await self._socket.receive()).data)
            if message.get('id') == number:
                if 'error' in message:
                    raise RuntimeError(f'{method}: {message["error"]}')
                return dict(message['result'])
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        body = message.get('params', {})
        if message.get('method') == 'Runtime.exceptionThrown':
            self.problems.append(str(body['exceptionDetails'].get('exception', {}).get('description')))
        elif message.get('method') == 'Runtime.consoleAPICalled' and body['type'] == 'error':
            self.problems.append(str([item.get('value') for item in body['args']]))
        elif message.get('method') == 'Network.requestWillBeSent':
            self.requests.append(f'{body["request"]["method"]} {body["request"]["url"]}')
        elif message.get('method') == 'Network.webSocketFrameSent' and body['response']['opcode'] == 2:
            self.sent.append(base64.b64decode(body['response']['payloadData']))
        elif message.get('method') == 'Log.entryAdded' and body['entry']['level'] == 'error':
            self.problems.append(f'{body["entry"]["text"]} {body["entry"].get("url", "")}')

    def open(self, address: str) -> None:
        """Go to a page and wait until its viewer runs."""
        self.call('Page.navigate', url=address)
        self.wait('window.viewer !== undefined && window.viewer.clock.ready')

    def run(self, script: str, gesture: bool = True) -> Any:
        """Value of a JavaScript expression; a promise is awaited. ``gesture``: it counts as a visitor's action."""
        result = self.call(
            'Runtime.evaluate', expression=script, awaitPromise=True, returnByValue=True, userGesture=gesture
        )
        if 'exceptionDetails' in result:
            raise RuntimeError(f'{script}: {result["exceptionDetails"]}')
        return result['result'].get('value')

    def wait(self, script: str, seconds: float = 60.0) -> Any:
        """The expression's first truthy value; no visitor's action. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                value = self.run(script, gesture=False)
            except RuntimeError:  # the page is just being replaced
                value = None
            if value:
                return value
            if time.monotonic() > deadline:
                raise TimeoutError(f'not within {seconds} s: {script}; page says: {self._says()}')
            time.sleep(0.1)

    def _says(self) -> Any:
        words = "['status', 'notices'].map((id) => document.getElementById(id)?.textContent).join(' | ')"
        try:
            return f'{self.run(words)}, {self.problems}'
        except RuntimeError as error:
            return str(error)

    @property
    def processor(self) -> float:
        """Processor time of all its processes so far, s."""
        used = 0.0
        for folder in Path('/proc').glob('[0-9]*'):
            try:
                if os.getpgid(int(folder.name)) == self._process.pid:
                    used += ProcessWatch(int(folder.name)).sample().processor
            except (OSError, ConfigError):  # ended meanwhile
                continue
        return used

    def picture(self, path: Path) -> None:
        """Screenshot as PNG."""
        path.write_bytes(base64.b64decode(self.call('Page.captureScreenshot', format='png')['data']))

    def click(self, name: str) -> None:
        """Click with the mouse on the element of that id."""
        box = f"document.getElementById('{name}').getBoundingClientRect()"
        x, y = self.run(
            f'(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({box})', gesture=False
        )
        for kind in ('mousePressed', 'mouseReleased'):
            self.call('Input.dispatchMouseEvent', type=kind, x=x, y=y, button='left', clickCount=1)

    def key(self, key: str) -> None:
        """Press and release a key."""
        for kind in ('keyDown', 'keyUp'):
            text = {'text': key} if kind == 'keyDown' and len(key) == 1 else {}
            self.call('Input.dispatchKeyEvent', type=kind, key=key, **text)

    def close(self) -> None:
        """End the browser and its processes."""
        if hasattr(self, '_session'):
            self._loop.run_until_complete(self._session.close())
        self._loop.close()
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
