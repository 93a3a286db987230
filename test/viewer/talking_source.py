# SPDX-License-Identifier: Apache-2.0
"""What a page is measured with: a face and a voice with closures at known times, by formula or recorded."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.layout import ARKIT_BLENDSHAPES
from diffposetalk_ros.motion.rig import load_rig
from diffposetalk_ros.viewer.page_messages import audio_block, motion_block, read_speech
from diffposetalk_ros.viewer.rig_file import pack_rig
from diffposetalk_ros.viewer.server import ServerOptions, ViewerServer

JAW = ARKIT_BLENDSHAPES.index('jawOpen')
RATE = 16000
DELAY = 0.24
GAP = 0.12
# Lengths of the sounds between closures, in s: irregular, so that no offset looks like another.
SOUNDS = np.array([0.31, 0.24, 0.42, 0.28, 0.37, 0.22, 0.45, 0.33])


def gaps(duration: float) -> NDArray[np.float64]:
    """Middles of the closures (n,) in s up to ``duration``."""
    starts = np.cumsum(np.tile(SOUNDS + GAP, 1 + int(duration / (SOUNDS + GAP).sum())))
    return np.asarray(starts[starts < duration] - GAP / 2)


def openness(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 while sounding, 0 in the middle of a closure, with flanks of 40 ms around its edges."""
    away = np.abs(times[:, None] - gaps(float(times.max()) + 2)[None]).min(axis=1)
    return np.asarray(np.clip((away - GAP / 2 + 0.02) / 0.04, 0, 1))


class Formula:
    """Noise with gaps, and a jaw that shuts in them."""

    def __init__(self) -> None:
        self._noise = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)

    def row(self, time: float) -> NDArray[np.float32]:
        """Motion (55,) at a time in s."""
        row = np.zeros(55, np.float32)
        row[JAW] = 0.7 * openness(np.array([time]))[0]
        return row

    def sound(self, time: float, count: int) -> NDArray[np.float32]:
        """Samples (count,) from a time in s on."""
        times = time + np.arange(count) / RATE
        return np.asarray((openness(times) > 0.5) * self._noise[:count], np.float32)


class SpokenClip:
    """Speech and the motion (T, 55) a model made of it, again and again."""

    def __init__(self, samples: NDArray[np.float32], motion: NDArray[np.float32], fps: float) -> None:
        self.seconds = len(motion) / fps
        self._samples = samples[: round(self.seconds * RATE)]
        self._motion, self._fps = motion, fps

    def row(self, time: float) -> NDArray[np.float32]:
        """Motion (55,) at a time in s; frame i shows the middle of its 40 ms."""
        at = np.clip((time % self.seconds) * self._fps - 0.5, 0, len(self._motion) - 1)
        low = int(at)
        high = min(low + 1, len(self._motion) - 1)
        return np.asarray(self._motion[low] + (at - low) * (self._motion[high] - self._motion[low]))

    def sound(self, time: float, count: int) -> NDArray[np.float32]:
        """Samples (count,) from a time in s on."""
        first = round(time * RATE) % len(self._samples)
        return np.take(self._samples, np.arange(first, first + count), mode='wrap')


class TalkingSource:
    """Serves the page and plays a voice and its face, 50 frames a second, in real time."""

    def __init__(
        self,
        port: int = 0,
        styles: tuple[str, ...] = ('calm', 'lively'),
        speaker: Formula | SpokenClip | None = None,
        token: str = '',
    ) -> None:
        self._speaker = speaker or Formula()
        self.commands: list[dict[str, Any]] = []
        self.speech: list[tuple[NDArray[np.float32], int]] = []
        self.talking = threading.Event()
        self.server = ViewerServer(
            ServerOptions(port=port, token=token), pack_rig(load_rig()), self._command, time.time_ns
        )
        self.server.latch('info', {'space': 'arkit', 'style': styles[0], 'model': 'formula'})
        self.server.latch('styles', {'names': list(styles), 'current': styles[0]})
        self.server.latch('setup', {'sample': True})
        steps = {'name': 'sampler.steps', 'label': 'Steps', 'description': 'Steps', 'lower': 1}
        self.server.latch('parameters', {'list': [{**steps, 'upper': 20, 'step': 1, 'value': 4}]})
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self.server.stop()

    def _command(self, command: dict[str, Any], upload: bytes) -> Future[dict[str, Any]]:
        done: Future[dict[str, Any]] = Future()
        self.commands.append(command)
        if command['do'] == 'sample':
            self.talking.set()
        elif command['do'] == 'interrupt':
            self.talking.clear()
            self.server.send({'type': 'interrupt'})
        elif command['do'] == 'speak':
            self.speech.append(read_speech(upload))
        elif command['do'] == 'parameter' and command['value'] > 10:
            done.set_exception(ConfigError('too many steps'))
            return done
        done.set_result({})
        return done

    def _play(self) -> None:
        start = time.time()
        frame = 0
        while not self._ended.is_set():
            frame += 1
            now = frame * 0.02
            time.sleep(max(0.0, start + now - time.time()))
            row = np.zeros(55, np.float32)
            if self.talking.is_set() and now > DELAY:
                row = self._speaker.row(now - DELAY)
            state = 2 if self.talking.is_set() else 1
            self.server.send(motion_block(row, state, frame, round((start + now) * 1e9)))
            if self.talking.is_set():
                loud = self._speaker.sound(now - 0.02, RATE // 50)
                due = start + now - 0.02 + DELAY
                self.server.send(audio_block(loud, RATE, round(due * 1e9)))


def closure_offsets(
    drawn: NDArray[np.float64], heard: NDArray[np.float64]
) -> tuple[NDArray[np.float64], int]:
    """Middle of each closure of the lips less that of the silence (n,) in ms; and closures heard.

    ``drawn`` (N, 2): time seen, opening in mm; ``heard`` (M, 2): time, level. Both in ms.
    """
    silences = _valleys(heard[:, 0], heard[:, 1], 0.5 * np.quantile(heard[:, 1], 0.9), (60, 200))
    closures = _valleys(drawn[:, 0], drawn[:, 1], 0.5 * np.quantile(drawn[:, 1], 0.9), (30, 250))
    if not len(silences) or not len(closures):
        return np.zeros(0), len(silences)
    near = closures[np.abs(closures[None] - silences[:, None]).argmin(axis=1)]
    offset = near - silences
    return offset[np.abs(offset) < 150], len(silences)


def _valleys(
    times: NDArray[np.float64], values: NDArray[np.float64], level: float, lengths: tuple[float, float]
) -> NDArray[np.float64]:
    """Middles of the spans below ``level``, crossings interpolated, of a length (ms) in between."""
    below = values < level
    edges = np.flatnonzero(below[1:] != below[:-1])
    share = (level - values[edges]) / (values[edges + 1] - values[edges])
    crossing = times[edges] + share * (times[edges + 1] - times[edges])
    down = crossing[below[edges + 1]]
    up = crossing[~below[edges + 1]]
    up = up[up > down[0]] if len(down) else up
    count = min(len(down), len(up))
    length = up[:count] - down[:count]
    middle = (up[:count] + down[:count]) / 2
    return np.asarray(middle[(length > lengths[0]) & (length < lengths[1])])


def spoken_offsets(
    drawn: NDArray[np.float64],
    heard: NDArray[np.float64],
    clip: SpokenClip,
    closures: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Middle of the lips' closure less that of the sound's gap (n,) in ms at ``closures`` (s, in the clip).

    ``drawn`` and ``heard`` as in `closure_offsets`. The clip's place in what was heard is found by
    correlation of the levels.
    """
    grid = np.arange(heard[0, 0], heard[-1, 0], 5.0)
    level = np.interp(grid, *heard.T)
    sound = clip.sound(0.0, round(clip.seconds * RATE))
    known = np.sqrt(np.convolve(sound**2, np.full(128, 1 / 128), 'same')[:: RATE // 200])
    lags = np.correlate(level - level.mean(), known - known.mean(), 'full')
    begin = grid[0] + 5.0 * (int(lags.argmax()) - len(known) + 1)
    out = []
    for repeat in range(-1, 1 + int((grid[-1] - begin) / 1e3 / clip.seconds)):
        for closure in closures:
            at = begin + 1e3 * (closure + repeat * clip.seconds)
            gap = _gap(heard, at, 60.0, 0.3)
            lips = _gap(drawn, at, 120.0, 2.5)
            if gap is not None and lips is not None:
                out.append(lips - gap)
    return np.array(out)


def _gap(curve: NDArray[np.float64], at: float, reach: float, level: float) -> float | None:
    """Middle of the lowest stretch of a curve (N, 2) near ``at``: below ``level``, or where that is less
    than 1 below that share of the highest value around."""
    times, values = curve.T
    around = np.abs(times - at) < 200
    near = np.flatnonzero(np.abs(times - at) < reach)
    if not len(near) or times[0] > at - 250 or times[-1] < at + 250:
        return None
    limit = level if level > 1 else level * values[around].max()
    low = high = int(near[values[near].argmin()])
    if values[low] >= limit:
        return None
    while low > 0 and values[low - 1] < limit:
        low -= 1
    while high < len(values) - 1 and values[high + 1] < limit:
        high += 1
    if low == 0 or high == len(values) - 1:
        return None
    ends = []
    for inside, outside in ((low, low - 1), (high, high + 1)):
        share = (limit - values[inside]) / (values[outside] - values[inside])
        ends.append(times[inside] + share * (times[outside] - times[inside]))
    return (ends[0] + ends[1]) / 2 if 20 < ends[1] - ends[0] < 250 else None
