# SPDX-License-Identifier: Apache-2.0
"""Frame rate of the page in a headless Chromium on software GL, with sound."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from diffposetalk_ros.benchmark.page.browser import Browser
from diffposetalk_ros.benchmark.page.talking_source import SpokenClip, TalkingSource
from diffposetalk_ros.benchmark.table import Table

__all__ = ['browser_versions', 'page_tables']

_VIEWS = {'face alone (kiosk)': 'kiosk', 'with panel': ''}
# Time in which the page adapts its resolution.
_SETTLE = 6.0
# Times (ms) at which the head was actually drawn.
_WATCH = """(() => {
  const { head } = viewer;
  viewer.moments = [];
  head.draw = (...pose) => {
    viewer.moments.push(performance.now());
    Object.getPrototypeOf(head).draw.apply(head, pose);
  };
})()"""
_RENDERER = """(() => {
  const gl = document.createElement('canvas').getContext('webgl');
  return gl.getParameter(gl.getExtension('WEBGL_debug_renderer_info').UNMASKED_RENDERER_WEBGL);
})()"""


@dataclass(frozen=True)
class _Run:
    pictures: float  # per second
    interval: float  # ms, 95th percentile
    share: float
    late: int
    cores: float
    load: float


def browser_versions() -> dict[str, str]:
    """Browser and WebGL renderer, for the report. Raises ConfigError without Chromium."""
    with closing(Browser()) as browser:
        return {'browser': browser.call('Browser.getVersion')['product'], 'WebGL': browser.run(_RENDERER)}


def page_tables(clip: SpokenClip, size: tuple[int, int], seconds: float, rounds: int) -> Iterator[Table]:
    """Pictures a second of each view, ``rounds`` times alternately for ``seconds``; then weight of the page.

    Raises ConfigError without Chromium.
    """
    runs: dict[str, list[_Run]] = {view: [] for view in _VIEWS}
    with closing(TalkingSource(speaker=clip)) as source:
        source.talking.set()
        for _ in range(rounds):
            for view, option in _VIEWS.items():
                with closing(Browser(size)) as browser:
                    runs[view].append(_watch(browser, f'{source.server.address}?{option}', seconds))
        plain, packed = source.server.weight
    rows = []
    for view, found in runs.items():
        pictures = [run.pictures for run in found]
        rows.append(
            (
                view,
                float(np.median(pictures)),
                min(pictures),
                float(np.median([run.interval for run in found])),
                ', '.join(f'{run.share:g}' for run in found),
                sum(run.late for run in found),
                float(np.median([run.cores for run in found])),
                f'{min(run.load for run in found):.1f} to {max(run.load for run in found):.1f}',
            )
        )
    note = (
        f'Speech with its face, {rounds} runs of {seconds:g} s each, alternately, a new browser each time. '
        'Only drawn pictures count; the display allows 60.'
    )
    columns = (
        'view',
        'pictures/s, median',
        'lowest',
        'interval p95 [ms]',
        'pixels per pixel side',
        'late blocks of sound',
        'cores the browser uses',
        'load of the machine (1 min)',
    )
    yield Table(f'Window of {size[0]} x {size[1]}, software GL, with sound', note, columns, tuple(rows))
    weight = (('all files', plain / 1e6), ('compressed for transfer', packed / 1e6))
    yield Table('Size of the page', 'With the geometry of the head.', ('', 'MB'), weight)


def _watch(browser: Browser, address: str, seconds: float) -> _Run:
    browser.open(address)
    browser.wait('viewer.sound.running && viewer.sound.sources.size > 0 && viewer.state === 2')
    time.sleep(_SETTLE)
    browser.run(_WATCH)
    late = browser.run('viewer.sound.late')
    used, begin = browser.processor, time.perf_counter()
    time.sleep(seconds)
    moments = np.array(browser.run('viewer.moments'))
    cores = (browser.processor - used) / (time.perf_counter() - begin)
    return _Run(
        1e3 * (len(moments) - 1) / float(np.ptp(moments)),
        float(np.percentile(np.diff(moments), 95)),
        browser.run('viewer.head.pace.share'),
        browser.run('viewer.sound.late') - late,
        cores,
        os.getloadavg()[0],
    )
