# SPDX-License-Identifier: Apache-2.0
"""A face and a voice with closures at known times, computed or recorded, to measure the page with."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import ConfigError, DiffPoseTalkError
from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES
from diffposetalk_ros.motion.rig import load_rig
from diffposetalk_ros.tracking.page_camera import PageCamera, told
from diffposetalk_ros.viewer.page_messages import (
    audio_block,
    motion_block,
    read_face,
    read_live,
    read_speech,
    read_style,
)
from diffposetalk_ros.viewer.rig_file import pack_rig
from diffposetalk_ros.viewer.server import ServerOptions, ViewerServer

__all__ = ['RATE', 'Formula', 'SpokenClip', 'TalkingSource']

RATE = 16000
_JAW = ARKIT_BLENDSHAPES.index('jawOpen')
_DELAY = 0.24
_GAP = 0.12
# Lengths of the sounds between closures, in s: irregular, so that no offset looks like another.
_SOUNDS = np.array([0.31, 0.24, 0.42, 0.28, 0.37, 0.22, 0.45, 0.33])


def _gaps(duration: float) -> NDArray[np.float64]:
    """Middles of the closures (n,) in s up to ``duration``."""
    starts = np.cumsum(np.tile(_SOUNDS + _GAP, 1 + int(duration / (_SOUNDS + _GAP).sum())))
    return np.asarray(starts[starts < duration] - _GAP / 2)


def _openness(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 while sounding, 0 in the middle of a closure, with flanks of 40 ms around its edges."""
    away = np.abs(times[:, None] - _gaps(float(times.max()) + 2)[None]).min(axis=1)
    return np.asarray(np.clip((away - _GAP / 2 + 0.02) / 0.04, 0, 1))


class Formula:
    """Noise with gaps, and a jaw that shuts in them."""

    def __init__(self) -> None:
        self._noise = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)

    def row(self, time: float) -> NDArray[np.float32]:
        """Motion (55,) at a time in s."""
        row = np.zeros(55, np.float32)
        row[_JAW] = 0.7 * _openness(np.array([time]))[0]
        return row

    def sound(self, time: float, count: int) -> NDArray[np.float32]:
        """Samples (count,) from a time in s on."""
        times = time + np.arange(count) / RATE
        return np.asarray((_openness(times) > 0.5) * self._noise[:count], np.float32)


class SpokenClip:
    """Speech and the motion (T, 55) that a model made of it, repeated."""

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
    """Serves the page and plays a voice and its face, 50 frames a second, in real time.

    It keeps ``commands``, ``speech`` and what is ``heard`` of its visitors, talks while ``talking`` is set, and
    refuses a microphone while ``deaf`` is. With the files of the page's face ``tracker`` it takes styles from
    cameras: ``styles_taken``.
    """

    def __init__(
        self,
        port: int = 0,
        styles: tuple[str, ...] = ('calm', 'lively'),
        speaker: Formula | SpokenClip | None = None,
        token: str = '',
        tracker: Mapping[str, Path] | None = None,
    ) -> None:
        self._speaker = speaker or Formula()
        self.commands: list[dict[str, Any]] = []
        self.speech: list[tuple[NDArray[np.float32], int]] = []
        self.heard: list[tuple[NDArray[np.float32], int, int]] = []
        self.talking, self.deaf = threading.Event(), threading.Event()
        self.server = ViewerServer(
            ServerOptions(port=port, token=token),
            pack_rig(load_rig()),
            self._command,
            time.time_ns,
            tracker=tracker,
            faces={'maya': lambda: pack_rig(load_rig('maya'))},
        )
        self._camera = PageCamera()
        self.styles_taken: list[tuple[NDArray[np.float32], float]] = []
        self.server.latch('info', {'space': 'arkit', 'style': styles[0], 'model': 'formula'})
        self.server.latch('styles', {'names': list(styles), 'current': styles[0]})
        self.server.latch('setup', {'sample': True, 'camera': '' if tracker else 'no tracker is installed'})
        steps = {'name': 'sampler.steps', 'label': 'Steps', 'description': 'Steps', 'lower': 1}
        self.server.latch('parameters', {'list': [{**steps, 'upper': 20, 'step': 1, 'value': 4}]})
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the speech and the page."""
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
        elif command['do'] == 'hear':
            if self.deaf.is_set():
                done.set_exception(ConfigError('nobody listens'))
                return done
            self.heard.append(read_live(upload))
        elif command['do'] in ('face', 'own_style', 'load_style'):
            try:
                done.set_result(self._own_style(command, upload))
            except DiffPoseTalkError as error:
                done.set_exception(error)
            return done
        elif command['do'] == 'parameter' and command['value'] > 10:
            done.set_exception(ConfigError('too many steps'))
            return done
        done.set_result({})
        return done

    def _own_style(self, command: dict[str, Any], upload: bytes) -> dict[str, Any]:
        if command['do'] == 'face':
            row = self._camera.see(command['page'], *read_face(upload))
            return {'row': None if row is None else row.tolist()}
        if command['do'] == 'load_style':
            self.styles_taken.append(read_style(upload))
            return {'style': command['name']}
        clip, quality = self._camera.take(command['page'], command['seconds'])
        self.styles_taken.append((clip.values, clip.fps))
        return {'style': 'camera', **told(clip, quality)}

    def _play(self) -> None:
        start = time.time()
        frame = 0
        while not self._ended.is_set():
            frame += 1
            now = frame * 0.02
            time.sleep(max(0.0, start + now - time.time()))
            row = np.zeros(55, np.float32)
            if self.talking.is_set() and now > _DELAY:
                row = self._speaker.row(now - _DELAY)
            state = 2 if self.talking.is_set() else 1
            self.server.send(motion_block(row, state, frame, round((start + now) * 1e9)))
            if self.talking.is_set():
                loud = self._speaker.sound(now - 0.02, RATE // 50)
                due = start + now - 0.02 + _DELAY
                self.server.send(audio_block(loud, RATE, round(due * 1e9)))
