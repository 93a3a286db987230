# SPDX-License-Identifier: Apache-2.0
"""Whether the page sounds: after one click in mid-speech, and again after each restart of the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diffposetalk_ros.benchmark.page.browser import Browser
from diffposetalk_ros.benchmark.page.talking_source import SpokenClip, TalkingSource
from diffposetalk_ros.benchmark.table import Table
from diffposetalk_ros.errors import ConfigError

__all__ = ['first_sound_table', 'restart_table']

_WINDOW = (480, 360)
_PATIENCE = 10.0
"""Seconds from the click, or from the moment the page is ready, within which something must be heard."""
_RESTART = 60.0
_AUDIBLE = 0.05
"""RMS of full scale in one block of 128 samples."""
_HEARD = f'viewer.log && viewer.log.heard.some(([at, level]) => at > FROM && level > {_AUDIBLE})'

_STATE = """({ running: viewer.sound.running, late: viewer.sound.late, pieces: viewer.sound.pieces,
  buffer: viewer.sound.buffer, age: viewer.age, received: viewer.received, state: viewer.state,
  lead: viewer.sound.lead,
  heard: viewer.log.heard.slice(-1), now: performance.now() })"""


class _Visit(NamedTuple):
    """``wait``: seconds to the first sound, NaN where there was none; ``age``: of the last frame, ms."""

    wait: float
    problems: int
    buffer: float
    age: float


def first_sound_table(speaker: SpokenClip, pages: int, seed: int = 0) -> Table:
    """Open ``pages`` new pages during speech, in turn with and without autoplay and microphone.

    Without autoplay the sound is turned on by one click, up to 3 s after the page is ready. With the
    microphone, the visitor talks for a second before, while the page is to keep quiet.
    Raises ConfigError without Chromium.
    """
    random = np.random.default_rng(seed)
    kinds = [(autoplay, microphone) for microphone in (False, True) for autoplay in (False, True)]
    rows = []
    with closing(TalkingSource(speaker=speaker)) as source, _voice() as voice:
        source.talking.set()
        for number, (autoplay, microphone) in enumerate(kinds):
            count = (pages + len(kinds) - 1 - number) // len(kinds)
            if not count:
                continue
            with closing(Browser(_WINDOW, autoplay, voice if microphone else None)) as browser:
                visits = [
                    _visit(browser, source, autoplay, microphone, float(random.uniform(0, 3)))
                    for _ in range(count)
                ]
            waits = np.array([visit.wait for visit in visits])
            heard = int(np.isfinite(waits).sum())
            rows.append(
                (
                    'autoplay' if autoplay else 'one click',
                    'on, then off' if microphone else 'off',
                    count,
                    heard,
                    sum(visit.problems for visit in visits),
                    float(np.nanmedian(waits)) if heard else float('nan'),
                    float(np.nanmax(waits)) if heard else float('nan'),
                    max(visit.buffer for visit in visits),
                    max(visit.age for visit in visits),
                )
            )
    note = (
        'Each page is new and opens during speech. A page counts as heard if its output exceeds '
        f'{_AUDIBLE:g} of full scale within {_PATIENCE:g} s. {_load()}'
    )
    columns = (
        'sound starts by',
        'microphone',
        'pages',
        'heard',
        'exceptions',
        'time until heard, median [s]',
        'longest [s]',
        'page buffer at most [ms]',
        'largest lateness of a frame [ms]',
    )
    return Table('First sound of new pages', note, columns, tuple(rows))


def _visit(browser: Browser, source: TalkingSource, autoplay: bool, microphone: bool, pause: float) -> _Visit:
    browser.call('Page.navigate', url='about:blank')
    browser.problems.clear()
    browser.open(f'{source.server.address}?measure')
    browser.wait('viewer.state === 2')
    if microphone:
        count = len(source.heard)
        browser.run("document.getElementById('talk').click()", gesture=False)
        browser.wait('viewer.microphone.on')
        deadline = time.monotonic() + _PATIENCE
        while len(source.heard) < count + 50:
            if time.monotonic() > deadline:
                raise ConfigError("the browser's microphone sends nothing")
            time.sleep(0.02)
    time.sleep(pause)
    begin = time.monotonic()
    if not autoplay:
        browser.wait("!document.getElementById('listen').hidden")
        browser.click('listen')
    if microphone:
        browser.run("document.getElementById('talk').click()", gesture=False)
    try:
        browser.wait(_HEARD.replace('FROM', '0'), _PATIENCE)
        wait = time.monotonic() - begin
    except TimeoutError:
        wait = float('nan')
    return _Visit(
        wait,
        len(browser.problems),
        float(browser.run('viewer.sound.buffer')),
        float(browser.run('viewer.age')),
    )


@contextmanager
def _voice() -> Iterator[Path]:
    """A WAV file for the browser's microphone."""
    import soundfile

    with tempfile.TemporaryDirectory(prefix='diffposetalk-') as folder:
        path = Path(folder) / 'voice.wav'
        noise = 0.2 * np.random.default_rng(1).standard_normal(48000)
        soundfile.write(path, noise.clip(-1, 1), 48000, subtype='PCM_16')
        yield path


def restart_table(times: int, folder: Path, port: int = 0) -> Table:
    """End and start the demo ``times`` times under an open page, and wait each time until it sounds.

    ``folder`` takes what the demo writes. Raises ConfigError without Chromium, or where a demo does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    waits, served, silences = [], [], []
    with closing(Browser(_WINDOW)) as browser:
        demo, address = _start(folder, port)
        try:
            browser.open(f'{address}?measure')
            browser.wait(_HEARD.replace('FROM', '0'), _RESTART)
            for _ in range(times):
                _end(demo)
                silent = browser.run('performance.now()')
                begin = time.monotonic()
                demo, again = _start(folder, int(address.rsplit(':', 1)[1].strip('/')))
                served.append(again == address)
                try:
                    browser.wait(_HEARD.replace('FROM', f'{silent} + 1000'), _RESTART)
                    waits.append(time.monotonic() - begin)
                except TimeoutError as error:
                    waits.append(float('nan'))
                    silences.append(f'{str(error).partition("page says: ")[2]} {browser.run(_STATE)}')
        finally:
            _end(demo)
    heard = np.isfinite(waits)
    row = (
        times,
        sum(served),
        int(heard.sum()),
        float(np.median(np.array(waits)[heard])) if heard.any() else float('nan'),
        float(np.max(np.array(waits)[heard])) if heard.any() else float('nan'),
    )
    note = f'`diffposetalk demo --keep-running`, ended by Ctrl-C. {_load()}'
    if silences:
        note += f' The silent page says: {"; ".join(silences)}.'
    columns = (
        'restarts',
        'same address',
        'heard again',
        'from start to sound, median [s]',
        'longest [s]',
    )
    return Table('The demo is started again while the page stays open', note, columns, (row,))


def _load() -> str:
    return f'Load of the machine at the end: {os.getloadavg()[0]:.1f}.'


def _start(folder: Path, port: int) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, '-m', 'diffposetalk_ros.cli', 'demo', '--keep-running', '--no-video']
    demo = subprocess.Popen(
        [*command, '-o', str(folder), *(['--port', str(port)] if port else [])],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | {'PYTHONUNBUFFERED': '1'},
    )
    assert demo.stdout is not None
    told = []
    for line in demo.stdout:
        told.append(line.strip())
        if line.startswith('page: '):
            return demo, line.removeprefix('page: ').strip()
    raise ConfigError(f'the demo did not start: {" | ".join(told[-3:])}')


def _end(demo: subprocess.Popen[str]) -> None:
    if demo.poll() is None:
        demo.send_signal(signal.SIGINT)
        try:
            demo.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(demo.pid, signal.SIGKILL)
            demo.communicate()
