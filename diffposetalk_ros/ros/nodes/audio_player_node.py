# SPDX-License-Identifier: Apache-2.0
"""Publishes a sound file on the ``audio`` topic, in real time like a microphone or in one burst like TTS.

For example:
    audio_player_node --ros-args -p file:=speech.wav
"""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from diffposetalk_ros.audio.formats.file import read_native
from diffposetalk_ros.audio.formats.wav import is_wave_start
from diffposetalk_ros.errors import AudioError, ConfigError
from diffposetalk_ros.ros.support.audio_publisher import HEAD_START, AudioPublisher
from diffposetalk_ros.ros.support.delivery import wait_until_received
from diffposetalk_ros.ros.support.entry_point import declared, run_node
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['AudioPlayerNode', 'load_sound', 'main']

_PER_TICK = 10
# Messages sent per tick of 5 ms. DDS's shared memory holds 512 messages in transit; the others are sent
# again 256 at a time, every 3 s.

_PARAMETERS = (
    ('file', '', 'Sound file of any common format, or a pipe such as /dev/stdin'),
    ('raw_rate', 0, 'Rate of headerless S16LE input [Hz]; 0: the file states its format'),
    ('raw_channels', 1, 'Channels of headerless input'),
    ('chunk', 0.02, 'Length of a message [s]'),
    ('burst', False, 'Send as fast as DDS delivers without loss, instead of in real time'),
    ('loop', False, 'Start again at the end'),
    ('wait_for', 1, 'Start when there are this many subscribers'),
    ('message', 'auto', 'AudioStamped, AudioDataStamped, AudioData or auto'),
    ('frame_id', 'microphone', 'frame_id of stamped messages'),
)


def load_sound(path: str, raw_rate: int = 0, raw_channels: int = 1) -> tuple[NDArray[np.float32], int]:
    """Mono sound (n,) of a file or a pipe, and its rate in Hz; '-' is standard input.

    ``raw_rate`` other than 0: headerless 16-bit PCM, unless a WAV header says more. Raises AudioError.
    """
    piped = _read_pipe(path) if path == '-' or _is_pipe(path) else None
    if piped is not None and not piped:
        raise AudioError(
            f'no sound arrived on {path}; does the program before the pipe write to standard output?'
        )
    if not raw_rate:
        return read_native(path if piped is None else io.BytesIO(piped))
    try:
        data = Path(path).read_bytes() if piped is None else piped
    except OSError as error:
        raise AudioError(f'cannot read {path}: {error}') from error
    if is_wave_start(data):
        return read_native(io.BytesIO(data))
    whole = len(data) // (2 * raw_channels) * 2 * raw_channels
    if not whole:
        raise AudioError(f'{path} holds no sound')
    pcm = np.frombuffer(data[:whole], '<i2').reshape(-1, raw_channels)
    return pcm.astype(np.float32).mean(axis=1) / np.float32(32768.0), raw_rate


def _is_pipe(path: str) -> bool:
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return False  # `read_native` reports what is wrong
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


def _read_pipe(path: str) -> bytes:
    """Read a whole pipe. Raises ExternalShutdownException if ROS ends first, unlike a plain blocking read."""
    try:
        file = (
            os.dup(sys.stdin.fileno())
            if path in ('-', '/dev/stdin')
            else os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        )
    except OSError as error:
        raise AudioError(f'cannot read {path}: {error}') from error
    parts: list[bytes] = []
    try:
        while not parts or parts[-1]:
            if select.select([file], [], [], 0.1)[0]:
                parts.append(os.read(file, 1 << 16))
            elif not rclpy.ok():
                raise ExternalShutdownException
    finally:
        os.close(file)
    return b''.join(parts)


class AudioPlayerNode(Node):  # type: ignore[misc,unused-ignore]
    """Publishes messages of ``chunk`` seconds, each stamped with the time of its first sample.

    A chunk goes out when its last sample has been "recorded", as from a microphone; with ``burst``
    all go out at once, stamped with the times at which they are meant to sound.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('audio_player', **kwargs)
        self.done = False
        value = declared(self, _PARAMETERS)
        path, raw_rate, raw_channels, chunk = (
            value[name] for name in ('file', 'raw_rate', 'raw_channels', 'chunk')
        )
        self._burst, self._loop = value['burst'], value['loop']
        if not path:
            raise ConfigError('no file to play; give --ros-args -p file:=/path/to/sound.wav')
        if not 1e-4 <= chunk <= 60.0 or raw_channels < 1 or raw_rate < 0:
            raise ConfigError(
                f'chunk {chunk} s, raw_channels {raw_channels}, raw_rate {raw_rate} Hz; '
                'use 0.0001 to 60 s, 1 or more and 0 or more'
            )
        self._samples, self._rate = load_sound(path, raw_rate, raw_channels)
        self._chunk = max(1, round(chunk * self._rate))
        self._wait_for = value['wait_for']
        # Deep and reliable: a burst must not overflow the writer's history.
        depth = min(60_000, len(self._samples) // self._chunk + 16)
        self._output = AudioPublisher(self, self._rate, value['message'], value['frame_id'], depth)
        self._start: int | None = None
        self._sent = 0
        self.create_timer(min(0.005, self._chunk / self._rate), self._tick)

    @property
    def publisher(self) -> Any:
        """The publisher of ``audio``."""
        return self._output.publisher

    def _tick(self) -> None:
        if self.done:
            return
        now = self.get_clock().now().nanoseconds
        if self._start is None:
            if self._output.listeners < self._wait_for:
                return
            self._start = now + (HEAD_START if self._output.announce(now) else 0)
        if now < self._start:
            return
        self._output.announce(now)
        for _ in range(_PER_TICK):
            if self._sent == len(self._samples):
                break
            end = min(self._sent + self._chunk, len(self._samples))
            if not self._burst and self._start + self._at(end) > now:
                return
            self._output.publish(self._samples[self._sent : end], self._start + self._at(self._sent))
            self._sent = end
        if self._sent < len(self._samples):
            return
        if not self._loop:
            self.done = True
        elif now >= self._start + self._at(len(self._samples)):
            self._start, self._sent = self._start + self._at(len(self._samples)), 0

    def _at(self, sample: int) -> int:
        return sample * NS_PER_SECOND // self._rate


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of audio_player_node: 0 when all is sent, 2 on a user error."""
    return run_node('audio_player_node', AudioPlayerNode, args, _play, about=__doc__, table=_PARAMETERS)


def _play(node: AudioPlayerNode) -> None:
    while rclpy.ok() and not node.done:
        rclpy.spin_once(node, timeout_sec=0.5)
    wait_until_received(node, node.publisher)


if __name__ == '__main__':
    raise SystemExit(main())
