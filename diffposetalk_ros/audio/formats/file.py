# SPDX-License-Identifier: Apache-2.0
"""Sound files and pipes of any common format -> mono float32, at 16 kHz or as recorded, whole or block by block."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.audio.formats.decoders import AudioSource, Decoder, open_decoder, seekable, source_name
from diffposetalk_ros.audio.formats.pcm import to_mono_float32
from diffposetalk_ros.audio.sample_rate import AUDIO_SAMPLE_RATE
from diffposetalk_ros.errors import AudioError

__all__ = ['AudioSource', 'audio_blocks', 'audio_duration', 'read_audio', 'read_native', 'seekable']

_log = logging.getLogger(__name__)

_READ_FRAMES = 65536
_CLIPPED_SHARE = 0.001
_SILENT_PEAK = 1e-4


def audio_duration(source: AudioSource, min_seconds: float = 0.0) -> float:
    """Length in seconds. Raises AudioError as `read_audio`, and for less than ``min_seconds``."""
    with closing(open_decoder(source)) as decoder:
        frames = decoder.frames
        if frames is None:  # the length is known only at the end, as in a recording of a browser
            frames = sum(len(part) for part in _parts(decoder, source_name(source)))
        seconds = frames / decoder.rate
    if seconds < min_seconds:
        raise AudioError(
            f'{source_name(source)} lasts {1e3 * seconds:.3g} ms; give at least {1e3 * min_seconds:g} ms'
        )
    return seconds


def read_native(source: AudioSource, seconds: float | None = None) -> tuple[NDArray[np.float32], int]:
    """Mono sound (n,) at the file's own rate, and that rate in Hz; at most the first ``seconds``.

    Raises AudioError as `read_audio`.
    """
    name = source_name(source)
    with closing(open_decoder(source)) as decoder:
        rate = decoder.rate
        left = None if seconds is None else round(seconds * rate)
        parts = []
        for part in _parts(decoder, name, left):
            parts.append(part.mean(axis=1, dtype=np.float32))
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if not len(samples) and left != 0:
        raise AudioError(f'{name} holds no samples; it is empty or cut off after its header')
    return samples, rate


def _parts(decoder: Decoder, name: str, max_frames: int | None = None) -> Iterator[NDArray[np.float32]]:
    """All samples (n, channels), or the first ``max_frames``, in blocks. Raises AudioError for damage and NaN."""
    read = 0
    while max_frames is None or read < max_frames:
        count = _READ_FRAMES if max_frames is None else min(_READ_FRAMES, max_frames - read)
        try:
            part = decoder.read(count)
        except AudioError as error:
            raise AudioError(
                f'{name} cannot be decoded after {read / decoder.rate:.2f} s ({error})'
            ) from None
        finite = np.isfinite(part).all(axis=1)
        if not finite.all():
            at = (read + int(np.flatnonzero(~finite)[0])) / decoder.rate
            raise AudioError(f'{name} holds NaN or infinite samples, first at {at:.3f} s; repair the file')
        read += len(part)
        if len(part):
            yield part
        if len(part) < count:
            promised, tolerance = decoder.frames, decoder.tolerance
            if max_frames is None and promised and tolerance is not None and read < promised - tolerance:
                raise AudioError(f'{name} is cut off: {read} of {promised} samples can be read')
            return


def audio_blocks(
    source: AudioSource, block: int = AUDIO_SAMPLE_RATE, refuse_silence: bool = False
) -> Iterator[NDArray[np.float32]]:
    """Read in bounded memory: blocks of ``block`` samples (the last may be shorter), mono, 16 kHz.

    The blocks together are the same samples `read_audio` returns, for any ``block``.

    Raises:
        AudioError: missing, empty, not audio, cut off in the middle, or with NaN or infinite values. If
            ``refuse_silence`` is set, also at the end of a file that contains only silence.
    """
    import soxr

    name = source_name(source)
    if block < 1:
        raise AudioError(f'block of {block} samples; use 1 or more')
    with closing(open_decoder(source)) as decoder:
        rate = decoder.rate
        resampler = (
            soxr.ResampleStream(rate, AUDIO_SAMPLE_RATE, 1, dtype='float32', quality='HQ')
            if rate != AUDIO_SAMPLE_RATE
            else None
        )
        pending = np.zeros(0, np.float32)
        read, peak, at_limit = 0, 0.0, 0
        nothing = np.zeros((0, decoder.channels), np.float32)
        for raw, last in chain(((part, False) for part in _parts(decoder, name)), ((nothing, True),)):
            read += len(raw)
            mono = to_mono_float32(raw.reshape(-1), decoder.channels).samples
            if len(mono):
                peak = max(peak, float(np.abs(mono).max()))
                at_limit += int((np.abs(mono) >= 0.999).sum())
            part = mono if resampler is None else resampler.resample_chunk(mono, last=last)
            pending = np.concatenate([pending, part])
            while len(pending) >= block:
                yield pending[:block].copy()
                pending = pending[block:]
        if read == 0:
            raise AudioError(f'{name} holds no samples; it is empty or cut off after its header')
        if peak < _SILENT_PEAK and refuse_silence:
            raise AudioError(
                f'{name} is silent (peak {peak:.1e} of 1); check the recording, or --allow-silence'
            )
        if peak < _SILENT_PEAK:
            _log.warning('%s is silent (peak %.1e); check the recording', name, peak)
        elif at_limit > _CLIPPED_SHARE * max(read, rate // 10):
            _log.warning(
                '%s is clipped: %.1f %% of its samples are at full scale; record at a lower level',
                name,
                100 * at_limit / read,
            )
        if len(pending):
            yield pending


def read_audio(source: AudioSource) -> NDArray[np.float32]:
    """Whole file -> (n,) mono float32 at 16 kHz in [-1, 1]; channels averaged, resampled by soxr.

    Silent and clipped files are accepted with a warning in the log.

    Raises:
        AudioError: missing, empty, not audio, cut off, or with NaN or infinite values.
    """
    blocks = list(audio_blocks(source))
    if not blocks:
        raise AudioError(f'{source_name(source)} is too short to hold one sample at 16 kHz')
    return np.concatenate(blocks)
