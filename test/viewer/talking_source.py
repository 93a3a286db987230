# SPDX-License-Identifier: Apache-2.0
"""A face and a voice made by formula, with closures at known times: what a page is measured with."""

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


class TalkingSource:
    """Serves the page and plays the voice and the face, 50 frames a second, in real time."""

    def __init__(self, port: int = 0, styles: tuple[str, ...] = ('calm', 'lively')) -> None:
        self.commands: list[dict[str, Any]] = []
        self.speech: list[tuple[NDArray[np.float32], int]] = []
        self.talking = threading.Event()
        self.server = ViewerServer(
            ServerOptions(port=port), pack_rig(load_rig()), self._command, time.time_ns
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
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)
        frame = 0
        while not self._ended.is_set():
            frame += 1
            now = frame * 0.02
            time.sleep(max(0.0, start + now - time.time()))
            row = np.zeros(55, np.float32)
            heard = now - DELAY
            if self.talking.is_set() and heard > 0:
                row[JAW] = 0.7 * openness(np.array([heard]))[0]
            state = 2 if self.talking.is_set() else 1
            self.server.send(motion_block(row, state, frame, round((start + now) * 1e9)))
            if self.talking.is_set():
                times = now - 0.02 + np.arange(RATE // 50) / RATE
                loud = (openness(times) > 0.5) * noise[: len(times)]
                due = start + now - 0.02 + DELAY
                self.server.send(audio_block(loud.astype(np.float32), RATE, round(due * 1e9)))


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
