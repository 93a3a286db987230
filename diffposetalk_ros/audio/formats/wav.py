# SPDX-License-Identifier: Apache-2.0
"""Headers of RIFF/WAVE files: the format of the sound, and detection of placeholder sizes."""

from __future__ import annotations

from diffposetalk_ros.audio.chunk import AudioFormat
from diffposetalk_ros.errors import AudioError

__all__ = ['HEADER_START', 'SIDE_CHUNKS', 'format_from_fmt', 'is_placeholder', 'is_wave_start']

HEADER_START = 12
"""Bytes of ``RIFF``, the size of the file and ``WAVE``."""

SIDE_CHUNKS = frozenset({
    b'LIST', b'id3 ', b'ID3 ', b'bext', b'cue ', b'smpl', b'inst', b'fact', b'JUNK', b'junk', b'PAD ', b'PEAK',
    b'iXML', b'axml', b'_PMX', b'cart', b'LGWV', b'afsp', b'SAUR', b'acid', b'strc', b'plst', b'adtl', b'chna',
})  # fmt: skip
"""Names of chunks that may follow the sound and hold none."""

_PCM, _FLOAT, _A_LAW, _MU_LAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_FORMATS = {
    (_PCM, 8): 'U8',
    (_PCM, 16): 'S16LE',
    (_PCM, 24): 'S24LE',
    (_PCM, 32): 'S32LE',
    (_FLOAT, 32): 'F32LE',
    (_FLOAT, 64): 'F64LE',
    (_A_LAW, 8): 'ALAW',
    (_MU_LAW, 8): 'MULAW',
}


def is_wave_start(data: bytes, at: int = 0) -> bool:
    """Whether a WAV header begins at byte ``at``."""
    return data[at : at + 4] == b'RIFF' and data[at + 8 : at + HEADER_START] == b'WAVE'


def is_placeholder(size: int) -> bool:
    """Whether this size (bytes) of a chunk is the placeholder of a writer that could not seek back.

    Known values: 0 (GStreamer, libsndfile), 0x7ffff000 (SoX, eSpeak NG), 0x7fffffff (speech services),
    0x80000000 (arecord) and 0xffffffff (FFmpeg), each with or without the header, and rounded to whole frames.
    """
    return size == 0 or 0x7FFF0000 <= size <= 0x8000FFFF or size >= 0xFFFF0000


def format_from_fmt(chunk: bytes) -> AudioFormat:
    """Content of a ``fmt `` chunk -> format. Raises AudioError for a short chunk or a codec that is not PCM."""
    if len(chunk) < 16:
        raise AudioError(f'the fmt chunk of the WAV header has {len(chunk)} bytes; it must have 16 or more')
    code, channels = int.from_bytes(chunk[:2], 'little'), int.from_bytes(chunk[2:4], 'little')
    rate, bits = int.from_bytes(chunk[4:8], 'little'), int.from_bytes(chunk[14:16], 'little')
    if code == _EXTENSIBLE and len(chunk) >= 26:
        code = int.from_bytes(chunk[24:26], 'little')
    if (code, bits) not in _FORMATS:
        raise AudioError(
            f'the WAV header names codec {code} with {bits} bits, which is not PCM; send 16-bit PCM'
        )
    return AudioFormat(rate, channels, _FORMATS[code, bits])
