# SPDX-License-Identifier: Apache-2.0
"""What server and page send each other in binary; everything else is JSON.

Each block starts with 16 bytes: kind, state (uint8 each), count (uint16), number (uint32) and a time
in ms (float64), little-endian; then its numbers.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.errors import AudioError

__all__ = ['audio_block', 'motion_block', 'read_speech']

_HEAD = struct.Struct('<BBHId')
_MOTION, _AUDIO, _SPEECH = 1, 2, 3
_LONGEST = 300.0


def motion_block(row: ArrayLike, state: int, index: int, stamp_ns: int) -> bytes:
    """Frame (D,) to be shown at ``stamp_ns``: number = frame index modulo 2**32, float32 values."""
    values = np.asarray(row, '<f4')
    return _HEAD.pack(_MOTION, state, len(values), index & 0xFFFFFFFF, stamp_ns / 1e6) + values.tobytes()


def audio_block(samples: NDArray[np.float32], rate: int, due_ns: int) -> bytes:
    """Mono sound (n,) in -1..1 to be heard from ``due_ns`` on: number = rate (Hz), int16 values."""
    pcm = np.round(np.clip(samples, -1.0, 1.0) * 32767.0).astype('<i2')
    return _HEAD.pack(_AUDIO, 0, 0, rate, due_ns / 1e6) + pcm.tobytes()


def read_speech(data: bytes) -> tuple[NDArray[np.float32], int]:
    """Sound a page sent: mono float32 (n,), rate in Hz. Raises AudioError for anything else."""
    if len(data) < _HEAD.size or data[0] != _SPEECH or (len(data) - _HEAD.size) % 2:
        raise AudioError(f'{len(data)} bytes from the page are not a block of speech')
    rate = _HEAD.unpack_from(data)[3]
    samples = np.frombuffer(data, '<i2', offset=_HEAD.size).astype(np.float32) / 32768.0
    if not 8000 <= rate <= 96000:
        raise AudioError(f'speech at {rate} Hz; use 8000 to 96000 Hz')
    if not 0 < len(samples) <= _LONGEST * rate:
        raise AudioError(f'speech of {len(samples) / rate:.1f} s; drop 0 to {_LONGEST:.0f} s')
    return samples, int(rate)
