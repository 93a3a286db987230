# SPDX-License-Identifier: Apache-2.0
"""Sound files of any format libsndfile knows -> mono float32, at 16 kHz or as recorded, whole or block by block."""

from __future__ import annotations

import logging
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.audio.pcm import check_channels, to_mono_float32
from diffposetalk_ros.audio.resampler import check_rate
from diffposetalk_ros.audio.sample_rate import AUDIO_SAMPLE_RATE
from diffposetalk_ros.errors import AudioError

__all__ = ['audio_blocks', 'audio_duration', 'read_audio', 'read_native']

_log = logging.getLogger(__name__)

_READ_FRAMES = 65536
_CLIPPED_SHARE = 0.001
_SILENT_PEAK = 1e-4


def _open(path: Path) -> Any:
    import soundfile

    try:
        status = path.stat() if path.exists() else None
    except OSError as error:  # a name that is too long, a folder that may not be searched
        raise AudioError(f'{path} cannot be read ({error.strerror}); check the path') from None
    if status is None:
        raise AudioError(f'{path} does not exist')
    if stat.S_ISDIR(status.st_mode):
        raise AudioError(f'{path} is a folder; name a sound file')
    if status.st_size == 0:
        raise AudioError(f'{path} is empty (0 bytes)')
    try:
        source = soundfile.SoundFile(str(path))
    except (soundfile.LibsndfileError, TypeError) as error:
        reason = str(getattr(error, 'error_string', error)).rstrip('.')
        raise AudioError(
            f'{path} is not a readable sound file ({reason}); use wav, flac, ogg or mp3'
        ) from error
    try:
        try:
            check_rate(source.samplerate)
            check_channels(source.channels)
        except AudioError as error:
            raise AudioError(f'{path}: {error}') from None
        _check_riff_size(path)
        if source.frames == 0:
            raise AudioError(f'{path} holds no samples; it is empty or cut off after its header')
    except AudioError:
        source.close()
        raise
    return source


def _check_riff_size(path: Path) -> None:
    # libsndfile quietly shortens a wav file whose data chunk is cut off; the header still tells.
    with path.open('rb') as file:
        head = file.read(8)
    if head[:4] != b'RIFF':
        return
    stated = int.from_bytes(head[4:8], 'little') + 8
    actual = path.stat().st_size
    # Recorders that stream write 0 or almost 4 GiB, having never gone back to the header.
    if actual < stated - 8 and stated < 0xFFFF0000:
        raise AudioError(f'{path} is cut off: {actual} of {stated} bytes; record or copy it again')


def audio_duration(path: str | Path, least: float = 0.0) -> float:
    """Length in seconds. Raises AudioError as `read_audio`, and for less than ``least``."""
    with _open(Path(path)) as source:
        seconds = float(source.frames / source.samplerate)
    if seconds < least:
        raise AudioError(f'{path} lasts {1e3 * seconds:.3g} ms; give at least {1e3 * least:g} ms')
    return seconds


def read_native(path: str | Path, seconds: float | None = None) -> tuple[NDArray[np.float32], int]:
    """Mono sound (n,) at the file's own rate, and that rate in Hz; at most the first ``seconds``.

    Raises AudioError as `read_audio`.
    """
    import soundfile

    with _open(Path(path)) as source:
        rate = int(source.samplerate)
        count = -1 if seconds is None else round(seconds * rate)
        try:
            values = source.read(count, dtype='float32', always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioError(f'{path} cannot be decoded ({error})') from error
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        at = int(np.flatnonzero(~finite)[0]) / rate
        raise AudioError(f'{path} holds NaN or infinite samples, first at {at:.3f} s; repair the file')
    return np.asarray(values.mean(axis=1), np.float32), rate


def audio_blocks(
    path: str | Path, block: int = AUDIO_SAMPLE_RATE, refuse_silence: bool = False
) -> Iterator[NDArray[np.float32]]:
    """Read in bounded memory: blocks of ``block`` samples (the last may be shorter), mono, 16 kHz.

    The blocks together are the same samples `read_audio` returns, for any ``block``.

    Raises:
        AudioError: missing, empty, not audio, cut off in the middle, or with NaN or infinite values; at its
            end also a file that holds nothing but silence, where ``refuse_silence`` is set.
    """
    import soundfile
    import soxr

    path = Path(path)
    if block < 1:
        raise AudioError(f'block of {block} samples; use 1 or more')
    with _open(path) as source:
        rate, promised = source.samplerate, source.frames
        resampler = (
            soxr.ResampleStream(rate, AUDIO_SAMPLE_RATE, 1, dtype='float32', quality='HQ')
            if rate != AUDIO_SAMPLE_RATE
            else None
        )
        pending = np.zeros(0, np.float32)
        read, peak, at_limit = 0, 0.0, 0
        while True:
            try:
                raw = source.read(_READ_FRAMES, dtype='float32', always_2d=True)
            except soundfile.LibsndfileError as error:
                raise AudioError(f'{path} cannot be decoded after {read / rate:.2f} s ({error})') from error
            if len(raw) and not np.isfinite(raw).all():
                frame = read + int(np.flatnonzero(~np.isfinite(raw).all(axis=1))[0])
                raise AudioError(f'{path} holds NaN or infinite samples, first at {frame / rate:.3f} s')
            read += len(raw)
            mono = to_mono_float32(raw.reshape(-1), source.channels).samples
            if len(mono):
                peak = max(peak, float(np.abs(mono).max()))
                at_limit += int((np.abs(mono) >= 0.999).sum())
            last = len(raw) < _READ_FRAMES
            part = mono if resampler is None else resampler.resample_chunk(mono, last=last)
            pending = np.concatenate([pending, part])
            while len(pending) >= block:
                yield pending[:block].copy()
                pending = pending[block:]
            if last:
                break
        # Lossy formats state their length only roughly; any other file that ends early is damaged.
        if read == 0 or (read < promised and source.format not in ('MP3', 'MPEG', 'OGG')):
            raise AudioError(f'{path} is cut off: {read} of {promised} frames can be read')
        if peak < _SILENT_PEAK and refuse_silence:
            raise AudioError(
                f'{path} is silent (peak {peak:.1e} of 1); check the recording, or --allow-silence'
            )
        if peak < _SILENT_PEAK:
            _log.warning('%s is silent (peak %.1e); check the recording', path, peak)
        elif at_limit > _CLIPPED_SHARE * max(read, rate // 10):
            _log.warning(
                '%s is clipped: %.1f %% of its samples are at full scale; record at a lower level',
                path,
                100 * at_limit / read,
            )
        if len(pending):
            yield pending


def read_audio(path: str | Path) -> NDArray[np.float32]:
    """Whole file -> (n,) mono float32 at 16 kHz in [-1, 1]; channels averaged, resampled by soxr.

    Silent and clipped files are accepted with a warning in the log.

    Raises:
        AudioError: missing, empty, not audio, cut off, or with NaN or infinite values.
    """
    blocks = list(audio_blocks(path))
    if not blocks:
        raise AudioError(f'{path} is too short to hold one sample at 16 kHz')
    return np.concatenate(blocks)
