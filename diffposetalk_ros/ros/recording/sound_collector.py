# SPDX-License-Identifier: Apache-2.0
"""Collects audio_out with its stamps, so that the sound can be aligned with its motion."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node

from diffposetalk_ros.audio.chunk import AudioChunk, AudioFormat
from diffposetalk_ros.errors import AudioError
from diffposetalk_ros.ros.messages import qos
from diffposetalk_ros.ros.messages.audio import (
    AudioReader,
    has_portaudio_form,
    message_class,
)
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['SoundCollector', 'sound_track']

_LONGEST = 600.0
_JITTER = 50_000_000
"""Messages without stamps follow each other even if they arrive this much (ns) too early or too late."""


class SoundCollector:
    """The last ten minutes of ``audio_out``, messages of type ``kind``, as (chunk, time of arrival in ns)."""

    def __init__(self, node: Node, kind: str) -> None:
        self.chunks: deque[tuple[AudioChunk, int]] = deque()
        self._length = 0.0
        self._clock = node.get_clock()
        self._reader = AudioReader(AudioFormat())
        kinds = [(kind, 'audio_out')]
        if not has_portaudio_form():
            # Subscribe to the information first, because it gives the format of the sound.
            kinds.insert(0, ('AudioInfo', 'audio_info'))
        self.subscriptions = [
            node.create_subscription(
                message_class(kind),
                name,
                self._on_info if kind == 'AudioInfo' else self._on_audio,
                qos.AUDIO_INFO if kind == 'AudioInfo' else qos.AUDIO_OUT,
            )
            for kind, name in kinds
        ]

    def _on_info(self, message: Any) -> None:
        try:
            self._reader.on_info(message)
        except AudioError:
            return  # the talking node says so

    def _on_audio(self, message: Any) -> None:
        now = self._clock.now().nanoseconds
        try:
            heard = self._reader.read(message, now)
        except AudioError:
            return  # the talking node says so
        for chunk, _ in heard:
            self.chunks.append((chunk, now))
            self._length += len(chunk.sound.samples) / chunk.rate
        while self._length > _LONGEST:
            old = self.chunks.popleft()[0]
            self._length -= len(old.sound.samples) / old.rate


def sound_track(
    chunks: list[tuple[AudioChunk, int]], begin: int, seconds: float
) -> tuple[NDArray[np.float32], int]:
    """Mono sound (n,) from ``begin`` (ns) on, and its rate in Hz; silence where there is no chunk.

    A chunk begins at its stamp. Without a stamp, it begins at its arrival or at the end of the previous chunk.
    """
    rate = chunks[0][0].rate if chunks else 16000
    track = np.zeros(round(seconds * rate), np.float32)
    end = 0
    for chunk, arrived in chunks:
        if chunk.rate != rate:
            continue
        samples = chunk.sound.samples
        stamp = chunk.stamp or (end if abs(arrived - end) < _JITTER else arrived)
        end = stamp + len(samples) * NS_PER_SECOND // rate
        at = round((stamp - begin) * rate / NS_PER_SECOND)
        low, high = max(0, at), min(len(track), at + len(samples))
        if low < high:
            track[low:high] = samples[low - at : high - at]
    return track, rate
