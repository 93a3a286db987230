# SPDX-License-Identifier: Apache-2.0
"""Decoders of sound files: libsndfile, our reader of streamed WAVs, and FFmpeg (PyAV) for video containers."""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.audio.chunk import AudioFormat
from diffposetalk_ros.audio.formats.byte_stream import ByteStream, PcmPiece
from diffposetalk_ros.audio.formats.pcm import check_channels, pcm_from_bytes, pcm_to_float
from diffposetalk_ros.audio.formats.wav import (
    HEADER_START,
    SIDE_CHUNKS,
    format_from_fmt,
    is_placeholder,
    is_wave_start,
)
from diffposetalk_ros.audio.resampler import check_rate
from diffposetalk_ros.errors import AudioError, reason_of

__all__ = ['AudioSource', 'Decoder', 'open_decoder', 'seekable', 'source_name']

AudioSource = str | Path | BinaryIO
"""A path, or a binary file that can seek; '-' is standard input."""

_log = logging.getLogger(__name__)

_BLOCK = 1 << 20
_UNKNOWN_LENGTH = 2**62
"""libsndfile gives at least this as the length of a FLAC whose writer could not seek back."""
_OGG_PAGE = 65307
"""Bytes of the longest page of an Ogg file."""
_KNOWN = 'wav, flac, ogg, mp3, m4a, aac, webm or mp4'


class Decoder(Protocol):
    """Reads one sound from its beginning. Times are in samples per channel."""

    rate: int
    """Hz."""
    channels: int
    frames: int | None
    """Length; None where the file does not tell it."""
    tolerance: int | None
    """How much may be missing from `frames` at the end; None: any amount, the length is only an estimate."""

    def read(self, count: int) -> NDArray[np.float32]:
        """The next (n, channels) samples; fewer than ``count`` only at the end. Raises AudioError for damage."""

    def close(self) -> None:
        """Close the file. Idempotent."""


def source_name(source: AudioSource) -> str:
    """Name of the source for messages."""
    if isinstance(source, (str, Path)):
        return str(source)
    name = getattr(source, 'name', None)
    return name if isinstance(name, str) else 'the sound'


def seekable(source: AudioSource) -> AudioSource:
    """The source itself or, for a pipe or '-', a temporary file with all of its content.

    A pipe can be read only once, so code that reads a sound twice (for example, for its length) needs this. Raises
    AudioError for a source that cannot be read or is empty.
    """
    if not isinstance(source, (str, Path)):
        return source
    name = '/dev/stdin' if str(source) == '-' else str(source)
    mode = _status(Path(name)).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)):
        return name
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller keeps it
    try:
        with open(0 if name == '/dev/stdin' else name, 'rb', closefd=name != '/dev/stdin') as pipe:
            while block := pipe.read(_BLOCK):
                copy.write(block)
    except OSError as error:
        copy.close()
        raise AudioError(f'{name} cannot be read ({error.strerror}); check what writes into it') from None
    if not copy.tell():
        copy.close()
        raise AudioError(
            f'no sound arrived on {name}; does the program before the pipe write to standard output?'
        )
    copy.seek(0)
    return copy


def open_decoder(source: AudioSource) -> Decoder:
    """Open a sound of any known format. Raises AudioError in one line that names the source."""
    name = source_name(source)
    given, source = source, seekable(source)
    if isinstance(source, (str, Path)):
        status = _status(Path(source))
        if stat.S_ISDIR(status.st_mode):
            raise AudioError(f'{name} is a folder; name a sound file')
        if status.st_size == 0:
            raise AudioError(f'{name} is empty (0 bytes)')
    try:
        decoder = _open(source, own=source is not given)
    except AudioError as error:
        raise AudioError(f'{name} {error}') from None
    except OSError as error:
        raise AudioError(f'{name} cannot be read ({error.strerror or error}); check the path') from None
    try:
        check_rate(decoder.rate)
        check_channels(decoder.channels)
        if decoder.frames == 0:
            raise AudioError('it holds no samples; it is empty or cut off after its header')
    except AudioError as error:
        decoder.close()
        raise AudioError(f'{name}: {error}') from None
    return decoder


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError:
        raise AudioError(f'{path} does not exist') from None
    except OSError as error:  # a name that is too long, a folder that may not be searched
        raise AudioError(f'{path} cannot be read ({error.strerror}); check the path') from None


def _open(source: AudioSource, own: bool) -> Decoder:
    """Open the decoder. ``own``: whether it closes a file it was given; it always closes one it opened."""
    import soundfile

    file: BinaryIO
    if isinstance(source, (str, Path)):
        file, own = Path(source).open('rb'), True  # noqa: SIM115
    else:
        file = source
    try:
        if _is_streamed_wav(file):
            return _StreamedWav(file, own)
        file.seek(0)
        try:
            return _SoundFile(soundfile.SoundFile(file), file, own)
        except (soundfile.LibsndfileError, TypeError) as error:
            file.seek(0)
            return _with_ffmpeg(file, own, str(getattr(error, 'error_string', error)).rstrip('.'))
    except BaseException:
        if own:
            file.close()
        raise


def _is_streamed_wav(file: BinaryIO) -> bool:
    """Whether a PCM WAV has a placeholder for its size, or is followed by another WAV.

    Raises AudioError if the data chunk is longer than the file, which libsndfile would ignore silently.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if not is_wave_start(file.read(HEADER_START)):
        return False
    at, is_pcm = HEADER_START, False
    data: tuple[int, int] | None = None
    while at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        if is_wave_start(head + file.read(HEADER_START - 8)):
            return data is not None and is_pcm
        length = int.from_bytes(head[4:], 'little')
        if head[:4] == b'fmt ':
            file.seek(at + 8)
            try:
                format_from_fmt(file.read(min(length, 64)))
                is_pcm = True
            except AudioError:
                is_pcm = False
        elif head[:4] == b'data' and data is None:
            data = at + 8, length
            if is_placeholder(length):
                return is_pcm and not (length == 0 and _only_side_chunks(file, at + 8, size))
            if at + 8 + length > size:
                raise AudioError(f'is cut off: {size} of {at + 8 + length} bytes; record or copy it again')
        elif data is not None and head[:4] not in SIDE_CHUNKS:
            break
        at += 8 + length + length % 2
    return False


def _only_side_chunks(file: BinaryIO, at: int, size: int) -> bool:
    while at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        if head[:4] not in SIDE_CHUNKS:
            return False
        length = int.from_bytes(head[4:], 'little')
        at += 8 + length + length % 2
    return True


class _SoundFile:
    """Any sound that libsndfile reads."""

    def __init__(self, source: Any, file: BinaryIO, own: bool) -> None:
        self._source, self._file, self._own = source, file, own
        self.rate, self.channels = int(source.samplerate), int(source.channels)
        self.frames: int | None = int(source.frames)
        alone = source.format in ('MP3', 'MPEG')
        mpeg = alone or source.subtype.startswith('MPEG')
        # Lossy formats state their length only roughly; any other file that ends early is damaged.
        self.tolerance = None if mpeg or source.format == 'OGG' else 0
        told, joined = _mp3_header(file) if alone else (False, False)
        self._told = self.frames if told else 0
        if self.frames >= _UNKNOWN_LENGTH or mpeg and not told:
            self.frames = None
        if self.frames is None or mpeg:
            # soundfile seeks to where it is after each read. libsndfile cannot do that without the length, and
            # libmpg123 forgets the bits that the next frame takes from the one before.
            source.seekable = lambda: False
        self._joined = joined
        self._open_end = source.format == 'OGG' and not _ogg_ends(file)
        self._read = 0

    def read(self, count: int) -> NDArray[np.float32]:
        import soundfile

        try:
            values: NDArray[np.float32] = self._source.read(count, dtype='float32', always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioError(str(error)) from error
        self._read += len(values)
        if len(values) < count and self._told - self._read > self.rate // 2:
            _warn_of_end(self._file, self._told / self.rate, self._read / self.rate)
            self._told = 0
        if len(values) < count and self._open_end:
            _log.warning(
                '%s lacks its last page, so it was cut off or recorded from a stream; %.1f s can be decoded',
                source_name(self._file),
                self._read / self.rate,
            )
            self._open_end = False
        if len(values) < count and self._joined:
            _log.warning(
                '%s contains several MP3s, and only the first of them (%.1f s) is read; join them with '
                'ffmpeg -f concat',
                source_name(self._file),
                self._read / self.rate,
            )
            self._joined = False
        return values

    def close(self) -> None:
        self._source.close()
        if self._own:
            self._file.close()


def _mp3_header(file: BinaryIO) -> tuple[bool, bool]:
    """Two facts about an MP3: whether its first frame holds the number of frames, which otherwise is guessed from the
    bit rate, and whether another MP3 follows in the file, which libsndfile does not read.
    """
    here = file.tell()
    file.seek(0)
    tag = file.read(10)
    size = sum((byte & 127) << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=False))
    start = 10 + size if tag[:3] == b'ID3' else 0
    file.seek(start)
    first = file.read(256)
    mark = max(first.find(name) for name in (b'Xing', b'Info'))
    flags = first[mark + 7] if mark >= 0 and len(first) > mark + 16 else 0
    behind = b''
    if flags & 3 == 3:
        file.seek(start + int.from_bytes(first[mark + 12 : mark + 16], 'big'))
        behind = file.read(3)
    file.seek(here)
    joined = behind == b'ID3' or len(behind) == 3 and behind[0] == 0xFF and behind[1] >= 0xE0
    return bool(flags & 1) or b'VBRI' in first, joined


def _ogg_ends(file: BinaryIO) -> bool:
    """Whether the last page of an Ogg file is marked as the end of its stream (RFC 3533)."""
    here = file.tell()
    file.seek(max(0, file.seek(0, os.SEEK_END) - _OGG_PAGE))
    end = file.read()
    file.seek(here)
    page = end.rfind(b'OggS')
    return page >= 0 and len(end) > page + 5 and bool(end[page + 5] & 4)


def _warn_of_end(file: BinaryIO, told: float, read: float) -> None:
    """Say that a sound of ``told`` s ended after ``read`` s."""
    _log.warning(
        '%s should last %.1f s, and only %.1f s can be decoded; it is damaged or cut off',
        source_name(file),
        told,
        read,
    )


class _StreamedWav:
    """PCM WAVs with placeholder sizes, or several in one file, as one sound at the rate of the first."""

    def __init__(self, file: BinaryIO, own: bool) -> None:
        self._file, self._own = file, own
        formats: list[AudioFormat] = []
        length = 0.0
        for piece in self._pieces():
            made = piece.audio_format
            formats += [made] if made not in formats else []
            length += piece.frames * formats[0].rate / made.rate
        self.rate = formats[0].rate if formats else AudioFormat().rate
        self.channels = (
            1 if len({made.channels for made in formats}) > 1 else (formats[0].channels if formats else 1)
        )
        self.frames: int | None = round(length)
        self.tolerance: int | None = 0 if len({made.rate for made in formats}) < 2 else self.rate // 100
        self._waiting = self._samples()
        self._rest = np.zeros((0, self.channels), np.float32)

    def _pieces(self) -> Iterator[PcmPiece]:
        self._file.seek(0)
        stream = ByteStream(AudioFormat())
        while block := self._file.read(_BLOCK):
            yield from stream.push(block)
        yield from stream.end()

    def _samples(self) -> Iterator[NDArray[np.float32]]:
        import soxr

        resampler: Any = None
        rate = self.rate
        for piece in self._pieces():
            made = piece.audio_format
            values = pcm_to_float(pcm_from_bytes(piece.data, made.sample_format)).reshape(-1, made.channels)
            if made.channels != self.channels:
                values = values.mean(axis=1, keepdims=True)
            samples = np.ascontiguousarray(values, np.float32)
            if made.rate != rate:
                if resampler is not None:
                    yield resampler.resample_chunk(np.zeros((0, self.channels), np.float32), last=True)
                rate = made.rate
                resampler = None
                if rate != self.rate:
                    resampler = soxr.ResampleStream(
                        rate, self.rate, self.channels, dtype='float32', quality='HQ'
                    )
            yield samples if resampler is None else resampler.resample_chunk(samples)
        if resampler is not None:
            yield resampler.resample_chunk(np.zeros((0, self.channels), np.float32), last=True)

    def read(self, count: int) -> NDArray[np.float32]:
        return _take(self, count)

    def close(self) -> None:
        if self._own:
            self._file.close()


class _FfmpegFile:
    """The first audio stream of a container that FFmpeg reads; pictures and video are ignored."""

    def __init__(self, container: Any, file: BinaryIO, own: bool) -> None:
        import av

        self._container, self._file, self._own = container, file, own
        stream = container.streams.audio[0]
        self.rate, self.channels = int(stream.rate), int(stream.channels)
        self.frames: int | None = None
        if stream.duration is not None:
            self.frames = round(float(stream.duration * stream.time_base) * self.rate)
        self.tolerance: int | None = self.rate // 2
        # Matroska tells one length for all streams. Other containers without a length estimate it.
        alone = len(container.streams) == 1 and 'matroska' in container.format.name
        self._told = container.duration / av.time_base if alone and container.duration else 0.0
        self._to_float = av.AudioResampler(format='flt', layout=stream.layout.name, rate=self.rate)
        self._stream = stream
        self._waiting = self._samples()
        self._rest = np.zeros((0, self.channels), np.float32)

    def _samples(self) -> Iterator[NDArray[np.float32]]:
        import av

        heard = 0
        try:
            for frame in chain(self._container.decode(self._stream), [None]):
                for made in self._to_float.resample(frame):
                    samples = np.asarray(made.to_ndarray().reshape(-1, self.channels), np.float32)
                    heard += len(samples)
                    yield samples
            if self._told - heard / self.rate > 0.5:
                _warn_of_end(self._file, self._told, heard / self.rate)
        except av.error.FFmpegError as error:
            raise AudioError(error.strerror or str(error)) from error

    def read(self, count: int) -> NDArray[np.float32]:
        return _take(self, count)

    def close(self) -> None:
        self._container.close()
        if self._own:
            self._file.close()


def _take(decoder: _StreamedWav | _FfmpegFile, count: int) -> NDArray[np.float32]:
    """The next ``count`` samples of a decoder that returns pieces of its own size."""
    parts, have = [decoder._rest], len(decoder._rest)
    while have < count and (part := next(decoder._waiting, None)) is not None:
        parts.append(part)
        have += len(part)
    values = np.concatenate(parts)
    decoder._rest = values[count:]
    return values[:count]


def _with_ffmpeg(file: BinaryIO, own: bool, reason: str) -> Decoder:
    try:
        import av
    except ImportError:
        raise AudioError(
            f'is not a sound file libsndfile reads ({reason}); use wav, flac, ogg or mp3, or pip install av for m4a, '
            'aac, webm and mp4'
        ) from None
    try:
        container = av.open(file)
    except (av.error.FFmpegError, ValueError):
        raise AudioError(f'is not a readable sound file ({reason}); use {_KNOWN}') from None
    if not container.streams.audio:
        container.close()
        raise AudioError(f'holds no sound, only pictures or text; use {_KNOWN}')
    stream = container.streams.audio[0]
    try:
        if stream.codec_context is None or not stream.rate or not stream.channels:
            raise AudioError(f'holds sound of a codec FFmpeg does not know; use {_KNOWN}')
        return _FfmpegFile(container, file, own)
    except (av.error.FFmpegError, ValueError) as error:
        container.close()
        raise AudioError(f'is not a readable sound file ({reason_of(error)}); use {_KNOWN}') from None
    except AudioError:
        container.close()
        raise
