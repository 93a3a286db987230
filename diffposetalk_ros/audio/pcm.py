# SPDX-License-Identifier: Apache-2.0
"""Any PCM to float32 mono in [-1, 1]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import AudioError

__all__ = ['PCM_FORMATS', 'MonoAudio', 'pcm_from_bytes', 'to_mono_float32']

PCM_FORMATS: dict[str, tuple[str, int]] = {
    'S8': ('<i1', 1),
    'U8': ('<u1', 1),
    'S16LE': ('<i2', 2),
    'S16BE': ('>i2', 2),
    'S24LE': ('<u1', 3),
    'S32LE': ('<i4', 4),
    'S32BE': ('>i4', 4),
    'F32LE': ('<f4', 4),
    'F32BE': ('>f4', 4),
    'F64LE': ('<f8', 8),
}
"""GStreamer's name of a sample format -> (NumPy type, bytes per sample)."""

_MAX_CHANNELS = 64


@dataclass(frozen=True)
class MonoAudio:
    """Samples (n,) float32 in [-1, 1]; ``invalid`` counts NaN or infinite values replaced by
    silence, ``clipped`` values outside [-1, 1] that were cut off."""

    samples: NDArray[np.float32]
    invalid: int = 0
    clipped: int = 0


def pcm_from_bytes(data: bytes | bytearray | memoryview, sample_format: str) -> NDArray[np.generic]:
    """Raw interleaved bytes -> (n,) array of the format's type; 24 bit becomes int32 (times 256).

    Raises AudioError for an unknown or compressed format and for a length that is not whole samples.
    """
    if sample_format not in PCM_FORMATS:
        hint = ''
        if sample_format.lower() in ('mp3', 'wave', 'wav', 'ogg', 'opus', 'aac', 'flac'):
            hint = ' (compressed; start the capture with format:=wave for raw samples)'
        known = ', '.join(PCM_FORMATS)
        raise AudioError(f'sample format {sample_format!r} is not raw PCM{hint}; use one of {known}')
    kind, width = PCM_FORMATS[sample_format]
    if len(data) % width:
        raise AudioError(f'{len(data)} bytes are not a whole number of {width}-byte {sample_format} samples')
    raw = np.frombuffer(data, dtype=np.dtype(kind))
    if sample_format != 'S24LE':
        return raw
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = raw.reshape(-1, 3)
    return wide.reshape(-1).view('<i4')


def check_channels(channels: int) -> int:
    """Return ``channels`` if usable, raise AudioError otherwise."""
    if not 1 <= channels <= _MAX_CHANNELS:
        raise AudioError(f'{channels} channels; use 1 to {_MAX_CHANNELS}')
    return channels


def to_mono_float32(samples: NDArray[np.generic], channels: int = 1) -> MonoAudio:
    """Interleaved PCM -> mono float32, channels averaged.

    Args:
        samples: (n * channels,) or (n, channels); int8, uint8 (centred at 128), int16, int32,
            float32 or float64. Integers are divided by 2^(bits - 1).
        channels: number of interleaved channels.

    Raises:
        AudioError: another type, a channel count outside 1..64, or a length that is not whole frames.
    """
    check_channels(channels)
    flat = np.asarray(samples).reshape(-1)
    if flat.size % channels:
        raise AudioError(f'{flat.size} values do not divide into {channels} channels')
    kind, bits = flat.dtype.kind, 8 * flat.dtype.itemsize
    invalid = clipped = 0
    if kind in 'iu' and (kind, bits) in (('i', 8), ('u', 8), ('i', 16), ('i', 32)):
        # float64 keeps all 32 bits until the division; the mean is taken before rounding to float32.
        values = flat.astype(np.float64)
        if kind == 'u':
            values -= 128.0
        values /= 2.0 ** (bits - 1)
    elif kind == 'f' and bits in (32, 64):
        values = flat.astype(np.float64)
        bad = ~np.isfinite(values)
        invalid = int(bad.sum())
        if invalid:
            values[bad] = 0.0
        outside = np.abs(values) > 1.0
        clipped = int(outside.sum())
        if clipped:
            np.clip(values, -1.0, 1.0, out=values)
    else:
        raise AudioError(f'audio of type {flat.dtype}; use int8, uint8, int16, int32, float32 or float64')
    if channels > 1:
        values = values.reshape(-1, channels).mean(axis=1)
    return MonoAudio(values.astype(np.float32), invalid, clipped)
