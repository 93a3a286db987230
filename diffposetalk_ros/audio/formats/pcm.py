# SPDX-License-Identifier: Apache-2.0
"""Converts any PCM to float32 mono in [-1, 1], and back: a whole number is a share of 2^(bits - 1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import AudioError

__all__ = [
    'PCM_FORMATS',
    'MonoAudio',
    'pcm_from_bytes',
    'pcm_to_bytes',
    'pcm_to_float',
    'to_int16',
    'to_mono_float32',
]

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
    'ALAW': ('<u1', 1),
    'MULAW': ('<u1', 1),
}
"""GStreamer's name of a sample format -> (NumPy type, bytes per sample). ALAW and MULAW are telephony's (G.711)."""

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
    if sample_format in ('ALAW', 'MULAW'):
        values: NDArray[np.int16] = _law_table(sample_format)[raw]
        return values
    if sample_format != 'S24LE':
        return raw
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = raw.reshape(-1, 3)
    return wide.reshape(-1).view('<i4')


def pcm_to_bytes(samples: NDArray[np.float32], sample_format: str, channels: int = 1) -> bytes:
    """Mono samples (n,) in [-1, 1] -> interleaved bytes, the same on each channel.

    Raises AudioError for an unknown format.
    """
    if sample_format not in PCM_FORMATS:
        raise AudioError(
            f'sample format {sample_format!r} is not raw PCM; use one of {", ".join(PCM_FORMATS)}'
        )
    kind, width = PCM_FORMATS[sample_format]
    values = np.repeat(np.asarray(samples, np.float64), channels)
    if np.dtype(kind).kind == 'f':
        return values.astype(kind).tobytes()
    if sample_format in ('ALAW', 'MULAW'):
        table = _law_table(sample_format)
        order = np.argsort(table, kind='stable')
        levels = table[order].astype(np.float64)
        place = np.searchsorted((levels[1:] + levels[:-1]) / 2, values * 32768)
        return order[place].astype('u1').tobytes()
    whole = _whole(values, 8 * width)
    if sample_format == 'U8':
        return (whole + 128).astype('u1').tobytes()
    if sample_format == 'S24LE':
        return whole.astype('<i4').view('u1').reshape(-1, 4)[:, :3].tobytes()
    return whole.astype(kind).tobytes()


def to_int16(samples: NDArray[np.floating[Any]]) -> NDArray[np.int16]:
    """Finite samples in [-1, 1], of any shape -> int16, of which `pcm_to_float` makes the same samples again."""
    return _whole(samples, 16).astype('<i2')


def _whole(samples: NDArray[np.floating[Any]], bits: int) -> NDArray[np.floating[Any]]:
    full = 2.0 ** (bits - 1)
    return np.clip(np.round(samples * full), -full, full - 1)


@cache
def _law_table(sample_format: str) -> NDArray[np.int16]:
    """The 16-bit sample of each of the 256 codes of ITU-T G.711."""
    codes = np.arange(256, dtype=np.int32)
    bits = ~codes & 0xFF if sample_format == 'MULAW' else codes ^ 0x55
    exponent, mantissa = bits >> 4 & 7, bits & 15
    if sample_format == 'MULAW':
        size = ((mantissa << 3) + 132 << exponent) - 132
        negative = bits & 0x80 != 0
    else:
        size = np.where(
            exponent > 0, (mantissa << 4) + 264 << np.maximum(exponent - 1, 0), (mantissa << 4) + 8
        )
        negative = bits & 0x80 == 0
    return np.where(negative, -size, size).astype(np.int16)


def check_channels(channels: int) -> int:
    """Return ``channels`` if usable, raise AudioError otherwise."""
    if not 1 <= channels <= _MAX_CHANNELS:
        raise AudioError(f'{channels} channels; use 1 to {_MAX_CHANNELS}')
    return channels


def pcm_to_float(samples: NDArray[np.generic]) -> NDArray[np.float64]:
    """PCM of any type -> float64 of the same shape, full scale 1; floats keep their values, NaN too.

    Integers are divided by 2^(bits - 1), uint8 is centred at 128. Raises AudioError for another type.
    """
    kind, bits = samples.dtype.kind, 8 * samples.dtype.itemsize
    if kind == 'f' and bits in (32, 64):
        return samples.astype(np.float64)
    if (kind, bits) not in (('i', 8), ('u', 8), ('i', 16), ('i', 32)):
        raise AudioError(f'audio of type {samples.dtype}; use int8, uint8, int16, int32, float32 or float64')
    # float64 keeps all 32 bits until the division; the mean is taken before rounding to float32.
    values = samples.astype(np.float64)
    if kind == 'u':
        values -= 128.0
    values /= 2.0 ** (bits - 1)
    return values


def to_mono_float32(samples: NDArray[np.generic], channels: int = 1, channel: int = 0) -> MonoAudio:
    """Interleaved PCM -> mono float32: the mean of the channels, or one of them.

    Args:
        samples: (n * channels,) or (n, channels); int8, uint8 (centred at 128), int16, int32,
            float32 or float64. Integers are divided by 2^(bits - 1).
        channels: number of interleaved channels.
        channel: the channel to take, from 1; 0 is the mean of all.

    Raises:
        AudioError: another type, a channel count outside 1..64, a missing channel, or a length that is
            not whole frames.
    """
    check_channels(channels)
    if not 0 <= channel <= channels:
        raise AudioError(
            f'channel {channel} of sound that has {channels}; choose 1 to {channels}, or 0 for the mean'
        )
    flat = np.asarray(samples).reshape(-1)
    if flat.size % channels:
        raise AudioError(f'{flat.size} values do not divide into {channels} channels')
    if channel:
        flat, channels = flat[channel - 1 :: channels], 1
    values = pcm_to_float(flat)
    invalid = clipped = 0
    if flat.dtype.kind == 'f':
        bad = ~np.isfinite(values)
        invalid = int(bad.sum())
        if invalid:
            values[bad] = 0.0
        outside = np.abs(values) > 1.0
        clipped = int(outside.sum())
        if clipped:
            np.clip(values, -1.0, 1.0, out=values)
    if channels > 1:
        values = values.reshape(-1, channels).mean(axis=1)
    return MonoAudio(values.astype(np.float32), invalid, clipped)
