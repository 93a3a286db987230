# SPDX-License-Identifier: Apache-2.0
"""A Firefox on a screen in memory, driven over WebDriver BiDi, which it speaks itself."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from diffposetalk_ros.benchmark.page.browser import Browser

FIREFOX = next(filter(None, map(shutil.which, ('firefox-esr', 'firefox'))), None)
XVFB = shutil.which('Xvfb')

_PREFERENCES = {
    'app.normandy.enabled': False,
    'browser.shell.checkDefaultBrowser': False,
    'datareporting.policy.dataSubmissionEnabled': False,
    'network.captive-portal-service.enabled': False,
    'network.connectivity-service.enabled': False,
}


class Firefox(Browser):
    """As `Browser`, but pages sound only after a click, and ``problems`` also has the warnings of the console.

    WebGL on software needs a screen: headless, Firefox finds no driver.
    """

    def __init__(self, size: tuple[int, int] = (640, 480)) -> None:
        self._folder = tempfile.mkdtemp(prefix='firefox-')
        lines = [
            f'user_pref({json.dumps(name)}, {json.dumps(value)});' for name, value in _PREFERENCES.items()
        ]
        Path(self._folder, 'user.js').write_text('\n'.join(lines))
        read, write = os.pipe()
        screen = ['-screen', '0', '1024x768x24', '-nolisten', 'tcp', '-displayfd', str(write)]
        self._screen = subprocess.Popen([str(XVFB), *screen], pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as lines_of_screen:
            display = f':{lines_of_screen.readline().strip()}'
        self._process = subprocess.Popen(
            [str(FIREFOX), '--no-remote', '--profile', self._folder, '--remote-debugging-port', '0'],
            env=os.environ | {'DISPLAY': display, 'LIBGL_ALWAYS_SOFTWARE': '1'},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._loop = asyncio.new_event_loop()
        self._number = 0
        self.problems, self.requests, self.sent = [], [], []
        try:
            self._loop.run_until_complete(self._connect())
            self.call('session.new', capabilities={})
            self.call('session.subscribe', events=['log.entryAdded', 'network.beforeRequestSent'])
            self._tab = self.call('browsingContext.getTree')['contexts'][0]['context']
            viewport = dict(zip(('width', 'height'), size, strict=True))
            self.call('browsingContext.setViewport', context=self._tab, viewport=viewport)
        except BaseException:
            self.close()
            raise

    async def _connect(self) -> None:
        import aiohttp

        file = Path(self._folder, 'WebDriverBiDiServer.json')
        deadline = time.monotonic() + 120
        while not (file.is_file() and file.read_text().strip()):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f'{FIREFOX} does not start')
            await asyncio.sleep(0.1)
        port = json.loads(file.read_text())['ws_port']
        self._session = aiohttp.ClientSession()
        self._socket = await self._session.ws_connect(f'ws://127.0.0.1:{port}/session', max_msg_size=0)

    def _note(self, message: dict[str, Any]) -> None:
        body = message.get('params', {})
        if message.get('method') == 'log.entryAdded' and body['level'] in ('error', 'warn'):
            self.problems.append(f'{body["level"]}: {body["text"]}')
        elif message.get('method') == 'network.beforeRequestSent':
            self.requests.append(f'{body["request"]["method"]} {body["request"]["url"]}')

    def open(self, address: str) -> None:
        """Go to a page and wait until its viewer runs."""
        self._go(address)
        self.wait('window.viewer !== undefined && window.viewer.clock.ready', 60)

    def leave(self) -> None:
        """Go to an empty page."""
        self._go('about:blank')

    def _go(self, address: str) -> None:
        self.call('browsingContext.navigate', context=self._tab, url=address, wait='complete')

    def run(self, script: str, gesture: bool = True) -> Any:
        """Value of a JavaScript expression; a promise is awaited. It never counts as a visitor's action.

        Where it did, Firefox would afterwards forget that the visitor ever clicked, and let no more sound begin.
        """
        result = self.call(
            'script.evaluate',
            expression=f'(async () => JSON.stringify(await ({script})))()',
            target={'context': self._tab},
            awaitPromise=True,
        )
        if result['type'] == 'exception':
            raise RuntimeError(f'{script}: {result["exceptionDetails"]["text"]}')
        text = result['result'].get('value')
        return None if text is None else json.loads(text)

    def click(self, name: str) -> None:
        """Click with the mouse on the element of that id."""
        box = f"document.getElementById('{name}').getBoundingClientRect()"
        x, y = self.run(
            f'(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({box})', gesture=False
        )
        steps = [
            {'type': 'pointerMove', 'x': round(x), 'y': round(y)},
            *({'type': kind, 'button': 0} for kind in ('pointerDown', 'pointerUp')),
        ]
        mouse = {'type': 'pointer', 'id': 'mouse', 'parameters': {'pointerType': 'mouse'}, 'actions': steps}
        self.call('input.performActions', context=self._tab, actions=[mouse])

    def close(self) -> None:
        """End the browser, its processes and the screen."""
        super().close()
        self._screen.send_signal(signal.SIGTERM)
        self._screen.wait()
