# SPDX-License-Identifier: Apache-2.0
"""Binary messages between server and page; everything else is JSON.

Each block starts with 16 bytes: kind, state (uint8 each), count (uint16), number (uint32) and a time
in ms (float64), little-endian; then its numbers.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.audio.formats.pcm import to_int16
from diffposetalk_ros.errors import AudioError, StyleError, VideoError

__all__ = ['audio_block', 'frame_due', 'motion_block', 'read_face', 'read_live', 'read_speech', 'read_style']

_HEAD = struct.Struct('<BBHId')
_MOTION, _AUDIO, _SPEECH, _FACE, _STYLE = 1, 2, 3, 4, 5
_LONGEST, _LONGEST_PIECE = 300.0, 1.0
_LAST_TIME = 2.0**63 / 1e6


def motion_block(row: ArrayLike, state: int, index: int, stamp_ns: int) -> bytes:
    """Frame (D,) to be shown at ``stamp_ns``: number = frame index modulo 2**32, float32 values."""
    values = np.asarray(row, '<f4')
    return _HEAD.pack(_MOTION, state, len(values), index & 0xFFFFFFFF, stamp_ns / 1e6) + values.tobytes()


def frame_due(block: bytes) -> float | None:
    """When the frame of a block is to be shown, in s; None for a block that is not a frame."""
    kind, _, _, _, due = _HEAD.unpack_from(block)
    return float(due) / 1e3 if kind == _MOTION else None


def audio_block(samples: NDArray[np.float32], rate: int, due_ns: int) -> bytes:
    """Mono sound (n,) in -1..1 to be heard from ``due_ns`` on: number = rate (Hz), int16 values."""
    return _HEAD.pack(_AUDIO, 0, 0, rate, due_ns / 1e6) + to_int16(samples).tobytes()


def read_speech(data: bytes) -> tuple[NDArray[np.float32], int]:
    """Complete sound from a page: mono float32 (n,), rate in Hz. Raises AudioError for anything else."""
    samples, rate, _ = _read_sound(data, _LONGEST)
    return samples, rate


def read_live(data: bytes) -> tuple[NDArray[np.float32], int, int]:
    """A block from a page's microphone: mono float32 (n,), rate in Hz, time of the first sample in ns.

    Raises AudioError for anything else.
    """
    samples, rate, time = _read_sound(data, _LONGEST_PIECE)
    if not 0 <= time < _LAST_TIME:
        raise AudioError(f'sound with the time {time} ms; reload the page')
    return samples, rate, round(time * 1e6)


def read_face(data: bytes) -> tuple[NDArray[np.float32], float]:
    """Reading of one picture of a page's camera: numbers (N,) for `tracking.page_reading`, and the time in s.

    Raises VideoError for anything else.
    """
    if len(data) < _HEAD.size or data[0] != _FACE or (len(data) - _HEAD.size) % 4:
        raise VideoError(f'{len(data)} bytes from the page do not describe a face')
    time = _HEAD.unpack_from(data)[4]
    if not 0 <= time < _LAST_TIME:
        raise VideoError(f'a face with the time {time} ms; reload the page')
    return np.frombuffer(data, '<f4', offset=_HEAD.size), time / 1e3


def read_style(data: bytes) -> tuple[NDArray[np.float32], float]:
    """Numbers (N,) of a style file, and their rate: 0 for a style vector, else frames a second of motion rows.

    Raises StyleError for anything else.
    """
    if len(data) <= _HEAD.size or data[0] != _STYLE or (len(data) - _HEAD.size) % 4:
        raise StyleError(f'{len(data)} bytes from the page are not a style')
    numbers, rate = np.frombuffer(data, '<f4', offset=_HEAD.size), float(_HEAD.unpack_from(data)[4])
    if not np.isfinite(numbers).all() or not (rate == 0.0 or 1.0 <= rate <= 240.0):
        raise StyleError(
            'the style file holds values that are not numbers, or a frame rate outside 1 to 240; save it again'
        )
    return numbers, rate


def _read_sound(data: bytes, longest: float) -> tuple[NDArray[np.float32], int, float]:
    if len(data) < _HEAD.size or data[0] != _SPEECH or (len(data) - _HEAD.size) % 2:
        raise AudioError(f'{len(data)} bytes from the page are not a block of sound')
    _, _, _, rate, time = _HEAD.unpack_from(data)
    samples = np.frombuffer(data, '<i2', offset=_HEAD.size).astype(np.float32) / 32768.0
    if not 8000 <= rate <= 96000:
        raise AudioError(f'sound at {rate} Hz; use 8000 to 96000 Hz')
    if not 0 < len(samples) <= longest * rate:
        raise AudioError(f'sound of {len(samples) / rate:.1f} s; send 0 to {longest:.0f} s')
    return samples, int(rate), float(time)
