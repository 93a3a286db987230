# SPDX-License-Identifier: Apache-2.0
"""Measures whether face and audio_out stay in sync when sound is late, stops, or the machine is busy.

The node with its defaults runs in a separate process. It receives live speech over DDS in messages of 20 ms with
stamps, with a different disturbance in each utterance. This process records its output with the times at which the
middleware received it. For each utterance, the face is compared with the frames that its sound should have.
"""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.qos import QoSProfile

from diffposetalk_ros.audio.chunk import AudioChunk
from diffposetalk_ros.audio.formats.file import read_audio
from diffposetalk_ros.audio.formats.pcm import MonoAudio, to_int16
from diffposetalk_ros.avatar.avatar import Avatar
from diffposetalk_ros.avatar.parameters import Value, config_from
from diffposetalk_ros.benchmark.live.av_offset import face_behind_sound
from diffposetalk_ros.benchmark.table import Table
from diffposetalk_ros.errors import ModelError
from diffposetalk_ros.msg import FaceMotion
from diffposetalk_ros.ros.messages.audio import audio_to_message, message_class, stamped_kind
from diffposetalk_ros.ros.messages.stamps import nanoseconds_of, time_message
from diffposetalk_ros.ros.support.lifecycle_client import LifecycleClient
from diffposetalk_ros.ros.support.private_node import private_node
from diffposetalk_ros.util.child_processes import ChildProcesses
from diffposetalk_ros.util.demo_domain import use_private_domain
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND
from diffposetalk_ros.util.resources import demo_clip

__all__ = ['DISTURBANCES', 'sync_table']

_RATE, _CHUNK, _CHUNK_S = 16000, 320, 0.02
_SPOKEN = 4.0
_PAUSE = 2.5
"""Seconds between two utterances: the node ends one after a second."""
_DEEP = QoSProfile(depth=5000)

DISTURBANCES = ('nothing', 'late', 'late later', 'network stall', 'process stopped', 'busy machine')


@dataclass
class _Recording:
    """(time received, time stamped, value) in s, of frames the jaw, of sound its place in the clip."""

    seen: list[tuple[float, float, float]] = field(default_factory=list)
    heard: list[tuple[float, float, float]] = field(default_factory=list)


def sync_table(times: int, parameters: Mapping[str, Value], show: Callable[[int], None]) -> Table:
    """``times`` utterances of each of `DISTURBANCES`; ``show(n)`` after the n-th.

    Raises ModelError when the node does not start or answer.
    """
    use_private_domain()
    kind = stamped_kind()
    speech = read_audio(demo_clip())[: round(_SPOKEN * _RATE)]
    expected, jaw, fps = _expected(speech, parameters)
    offsets: dict[str, list[tuple[float, float]]] = {name: [] for name in DISTURBANCES}
    with ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile())
        process = stack.enter_context(ChildProcesses(log)).start(
            'avatar_node', {'audio.message': kind, 'idle.enabled': False, **parameters}
        )
        node, executor = stack.enter_context(private_node('sync_bench'))
        recording = _Recording()
        places = {speech[i : i + _CHUNK].tobytes(): i / _RATE for i in range(0, len(speech), _CHUNK)}
        pcm = {_pcm(part): place for part, place in places.items()}

        def on_frame(message: Any, info: Mapping[str, Any]) -> None:
            if message.state in (FaceMotion.SPEAKING, FaceMotion.HOLDING):
                stamp = nanoseconds_of(message.header.stamp) / NS_PER_SECOND
                recording.seen.append(
                    (info['received_timestamp'] / NS_PER_SECOND, stamp, message.expression[jaw])
                )

        def on_sound(message: Any, info: Mapping[str, Any]) -> None:
            place = pcm.get(_payload(message))
            if place is not None:
                stamp = nanoseconds_of(message.header.stamp) / NS_PER_SECOND
                recording.heard.append((info['received_timestamp'] / NS_PER_SECOND, stamp, place))

        node.create_subscription(FaceMotion, 'face_motion', on_frame, _DEEP)
        node.create_subscription(message_class(kind), 'audio_out', on_sound, _DEEP)
        audio = node.create_publisher(message_class(kind), 'audio', _DEEP)
        client = LifecycleClient(node, executor, 'diffposetalk')
        if not (client.configure(120.0) and client.activate(60.0)):
            raise ModelError('the node could not start; run diffposetalk demo to see why')
        until = time.monotonic() + 30.0
        while not audio.get_subscription_count():
            executor.spin_once(timeout_sec=0.05)
            if time.monotonic() > until:
                raise ModelError('the node receives no sound; run diffposetalk demo to see why')
        rng = np.random.default_rng(0)
        for turn in range(times * len(DISTURBANCES)):
            name = DISTURBANCES[turn % len(DISTURBANCES)]
            recording.seen.clear()
            recording.heard.clear()
            speaker = threading.Thread(
                target=_speak, args=(audio, kind, speech, name, float(rng.uniform(0, 0.5)), process)
            )
            with _Busy(name == 'busy machine'):
                speaker.start()
                while speaker.is_alive():
                    executor.spin_once(timeout_sec=0.02)
            end = time.monotonic() + _PAUSE
            while time.monotonic() < end:
                executor.spin_once(timeout_sec=0.05)
            seen, heard = np.array(recording.seen), np.array(recording.heard)
            pair = []
            for column in (0, 1):
                if len(seen) and len(heard):
                    order = np.argsort(heard[:, column], kind='stable')
                    pieces = heard[order][:, [column, 2]]
                    pair.append(face_behind_sound(seen[:, [column, 2]], pieces, expected, fps))
                else:
                    pair.append(float('nan'))
            offsets[name].append((pair[0], pair[1]))
            show(turn + 1)
    return _table(times, offsets)


def _table(times: int, offsets: Mapping[str, list[tuple[float, float]]]) -> Table:
    everything = np.array([pair for pairs in offsets.values() for pair in pairs])
    constant = float(np.nanmedian(everything[:, 0]))
    rows = []
    for name, pairs in offsets.items():
        received = 1e3 * np.abs(np.array(pairs)[:, 0] - constant)
        stamped = 1e3 * np.abs(np.array(pairs)[:, 1])
        found = int(np.isfinite(received).sum())
        rows.append((name, f'{found} of {times}', *_worst(received), *_worst(stamped)))
    return Table(
        'Face against audio_out',
        f'{times} utterances of {_SPOKEN:g} s each way. |offset - constant| by the times at which the middleware '
        f'received both (constant {1e3 * constant:.0f} ms), and |offset| by their stamps.',
        (
            'disturbance',
            'measured',
            'median [ms]',
            'largest [ms]',
            'median by stamp [ms]',
            'largest by stamp [ms]',
        ),
        tuple(rows),
    )


def _worst(values: NDArray[np.float64]) -> tuple[float, float]:
    if not np.isfinite(values).any():
        return float('nan'), float('nan')
    return float(round(np.nanmedian(values), 1)), float(round(np.nanmax(values), 1))


def _expected(speech: NDArray[np.float32], parameters: Mapping[str, Value]) -> tuple[Any, int, float]:
    """Jaw of each frame, its column, and the frame rate: what the node generates for this sound."""
    avatar = Avatar(config_from(dict(parameters)), print)
    avatar.start()
    try:
        avatar.push_audio(AudioChunk(MonoAudio(speech), _RATE, None), NS_PER_SECOND)
        jaw = avatar.model.layout.index('jawOpen')
        rows: dict[int, float] = {}
        frames, until = int(len(speech) / _RATE * avatar.model.fps) - 8, time.monotonic() + 60.0
        while len(rows) < frames and time.monotonic() < until:
            while (ahead := avatar.presenter.look_ahead(2 * NS_PER_SECOND)) is not None:
                rows |= {
                    ahead.first + i: float(row[jaw]) for i, row in enumerate(ahead.rows[: ahead.committed])
                }
            time.sleep(0.05)
            avatar.presenter.due_audio(2 * NS_PER_SECOND)
        return np.array([rows[i] for i in range(len(rows))]), jaw, avatar.model.fps
    finally:
        avatar.stop()


def _speak(audio: Any, kind: str, speech: Any, name: str, late: float, process: Any) -> None:
    """Live speech with true stamps; ``late``: s, from the beginning or from the middle on."""
    begin = time.time() + 0.1
    for i in range(0, len(speech) - _CHUNK + 1, _CHUNK):
        spoken = begin + i / _RATE
        half = i > len(speech) // 2
        wait = spoken + _CHUNK_S
        if name == 'late' or (name == 'late later' and half):
            wait += late
        elif name == 'network stall' and 1.5 <= i / _RATE < 1.5 + late:
            wait = begin + 1.5 + late
        time.sleep(max(0.0, wait - time.time()))
        if name == 'process stopped' and abs(i / _RATE - 1.5) < 0.5 * _CHUNK_S:
            process.send_signal(signal.SIGSTOP)
            threading.Timer(late, process.send_signal, [signal.SIGCONT]).start()
        stamp = time_message(round(spoken * NS_PER_SECOND))
        audio.publish(audio_to_message(speech[i : i + _CHUNK], _RATE, stamp, kind))


class _Busy:
    """Two loops that do nothing but compute."""

    def __init__(self, wanted: bool) -> None:
        self._processes = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(2 * wanted)]

    def __enter__(self) -> None:
        for process in self._processes:
            process.start()

    def __exit__(self, *error: object) -> None:
        for process in self._processes:
            process.kill()
            process.join()


def _spin() -> None:
    while True:
        pass


def _pcm(part: bytes) -> bytes:
    return to_int16(np.frombuffer(part, np.float32)).tobytes()


def _payload(message: Any) -> bytes:
    body = message.audio
    if hasattr(body, 'audio_data'):
        return bytes(memoryview(body.audio_data.int16_data).cast('B'))
    return bytes(body.data)
