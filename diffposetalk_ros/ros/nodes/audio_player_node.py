# SPDX-License-Identifier: Apache-2.0
"""Plays a sound file to the ``audio`` topic: paced like a microphone or in one burst like TTS.

For example:
    audio_player_node --ros-args -p file:=speech.wav
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from diffposetalk_ros.audio.file import read_native
from diffposetalk_ros.errors import AudioError, ConfigError
from diffposetalk_ros.ros.support.audio_publisher import HEAD_START, AudioPublisher
from diffposetalk_ros.ros.support.entry_point import declared, run_node
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['AudioPlayerNode', 'main', 'raw_sound']

_PARAMETERS = (
    ('file', '', 'Sound file in any format libsndfile reads'),
    ('raw_rate', 0, 'Rate of headerless S16LE input [Hz]; 0: a sound file'),
    ('raw_channels', 1, 'Channels of headerless input'),
    ('chunk', 0.02, 'Length of a message [s]'),
    ('burst', False, 'All messages at once instead of in real time'),
    ('loop', False, 'Start again at the end'),
    ('wait_for', 1, 'Start when this many subscribers are there'),
    ('message', 'auto', 'AudioStamped, AudioDataStamped, AudioData or auto'),
    ('frame_id', 'microphone', 'frame_id of stamped messages'),
)


def raw_sound(path: str, rate: int, channels: int) -> tuple[NDArray[np.float32], int]:
    """Headerless 16-bit PCM -> (mono float32, rate); '-' is standard input. Raises AudioError."""
    try:
        data = _standard_input() if path in ('-', '/dev/stdin') else Path(path).read_bytes()
    except OSError as error:
        raise AudioError(f'cannot read {path}: {error}') from error
    whole = len(data) // (2 * channels) * 2 * channels
    if not whole:
        raise AudioError(f'{path} holds no sound')
    pcm = np.frombuffer(data[:whole], '<i2').reshape(-1, channels)
    return pcm.astype(np.float32).mean(axis=1) / np.float32(32768.0), rate


def _standard_input() -> bytes:
    """All of it. Raises ExternalShutdownException when ROS ends first: a plain read would wait for the sender."""
    file = sys.stdin.fileno()
    parts: list[bytes] = []
    while not parts or parts[-1]:
        if select.select([file], [], [], 0.1)[0]:
            parts.append(os.read(file, 1 << 16))
        elif not rclpy.ok():
            raise ExternalShutdownException
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
        sound = raw_sound(path, raw_rate, raw_channels) if raw_rate else read_native(path)
        self._samples, self._rate = sound
        self._chunk = max(1, round(chunk * self._rate))
        self._wait_for = value['wait_for']
        # Deep and reliable: a burst must not overflow the writer's history.
        depth = min(20000, len(self._samples) // self._chunk + 16)
        self._output = AudioPublisher(self, self._rate, value['message'], value['frame_id'], depth)
        self._start: int | None = None
        self._sent = 0
        self.create_timer(min(0.005, self._chunk / self._rate), self._tick)

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
        while self._sent < len(self._samples):
            end = min(self._sent + self._chunk, len(self._samples))
            if not self._burst and self._start + self._at(end) > now:
                return
            self._output.publish(self._samples[self._sent : end], self._start + self._at(self._sent))
            self._sent = end
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
    # The writer must live until the last sample is acknowledged.
    if rclpy.ok():
        node._output.publisher.wait_for_all_acked(rclpy.duration.Duration(seconds=2))


if __name__ == '__main__':
    raise SystemExit(main())
