# SPDX-License-Identifier: Apache-2.0
"""Audio messages as plain objects, and the sound of one message."""

from __future__ import annotations

import array
from types import SimpleNamespace
from typing import Any

from diffposetalk_ros.audio.chunk import AudioChunk, AudioFormat
from diffposetalk_ros.ros.messages.audio import AudioReader

PORTAUDIO = {1: ('float32_data', 'f'), 2: ('int32_data', 'i'), 8: ('int16_data', 'h')}
PORTAUDIO |= {16: ('int8_data', 'b'), 32: ('uint8_data', 'B')}


def chunk_of(message: Any, fallback: AudioFormat) -> AudioChunk:
    """The sound of one message of whole frames, as a node reads it."""
    ((chunk, _),) = AudioReader(fallback).read(message, 0)
    return chunk


def header(sec: int, nanosec: int) -> SimpleNamespace:
    return SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec), frame_id='')


def portaudio_message(code: int, values: object, channels: int = 1, rate: int = 8000) -> SimpleNamespace:
    data = SimpleNamespace(**{field: array.array(kind) for field, kind in PORTAUDIO.values()})
    if code in PORTAUDIO:
        setattr(data, PORTAUDIO[code][0], values)
    info = SimpleNamespace(format=code, channels=channels, rate=rate, chunk=512)
    return SimpleNamespace(header=header(3, 7), audio=SimpleNamespace(audio_data=data, info=info))
