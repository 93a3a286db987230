# SPDX-License-Identifier: Apache-2.0
"""Converts PCM bytes, cut anywhere and possibly with WAV headers, to whole frames.

Speech services send a WAV header before each answer and cut their chunks wherever a buffer was full. The
resulting frames do not depend on how the bytes are cut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from diffposetalk_ros.audio.chunk import AudioFormat
from diffposetalk_ros.audio.formats.wav import (
    HEADER_START,
    SIDE_CHUNKS,
    format_from_fmt,
    is_placeholder,
    is_wave_start,
)
from diffposetalk_ros.errors import AudioError

__all__ = ['ByteStream', 'PcmPiece']

_MAX_FMT, _MAX_SKIPPED = 4096, 1 << 24
"""Bytes: real ``fmt `` chunks have 16 to 40, and pictures and texts before the sound no more than this."""


@dataclass(frozen=True)
class PcmPiece:
    """Whole interleaved frames of one format; the first ``carried`` of them came with earlier bytes."""

    data: bytes
    audio_format: AudioFormat
    carried: int = 0

    @property
    def frames(self) -> int:
        """Samples per channel."""
        return len(self.data) // self.audio_format.frame_bytes


State = Callable[[bytes, list[PcmPiece]], 'bytes | None']


class ByteStream:
    """Turns the bytes of one sender into frames of PCM.

    ``told`` is the format until a WAV header in the stream gives another one. The incomplete end of a message (part
    of a frame or of a header) is joined to the next one. ``note`` takes a line when a header sets the format.
    ``dropped`` counts bytes that belong to no whole frame; ``headers`` counts the headers found.
    """

    def __init__(self, told: AudioFormat, note: Callable[[str], object] = lambda text: None) -> None:
        self._told = told
        self._note = note
        self._noted: AudioFormat | None = None
        self.dropped = self.headers = 0
        self._restart()

    def _restart(self) -> None:
        self.audio_format: AudioFormat = self._told
        """Format of the sound that comes next."""
        self._state: State = self._sound
        self._held = b''
        self._left: int | None = None  # bytes of the data chunk still to come; None: unknown
        self._odd = False  # the data chunk has an odd length, so a zero may pad it
        self._skip = 0
        self._after_skip: State = self._sound
        self._fmt: AudioFormat | None = None
        self._refusal = ''
        self._from_header = False

    @property
    def told(self) -> AudioFormat:
        """Format of sound without a header. Setting another one ends the current sound."""
        return self._told

    @told.setter
    def told(self, audio_format: AudioFormat) -> None:
        if audio_format != self._told:
            self.dropped += len(self._held)
            self._told = audio_format
            self._restart()

    def push(self, data: bytes) -> list[PcmPiece]:
        """Add bytes and return the frames that are now complete, in order.

        Raises AudioError if a header names a codec that is not PCM; the bytes of that sound are dropped.
        """
        carried = len(self._held) if self._state == self._sound else 0
        pieces: list[PcmPiece] = []
        rest: bytes | None = self._held + data if self._held else data
        while rest is not None:
            self._held = rest
            rest = self._state(rest, pieces)
        if self._refusal and not pieces:
            raise AudioError(self._refusal)
        if carried and pieces:
            frames = carried // pieces[0].audio_format.frame_bytes
            pieces[0] = replace(pieces[0], carried=min(frames, pieces[0].frames))
        return pieces

    def end(self) -> list[PcmPiece]:
        """The sound pauses: return frames that were held back because they might have been part of a header.

        An incomplete frame is dropped, unless the stream is inside a WAV that is not complete; then the same
        sender continues later. After a complete WAV the told format is used again.
        """
        if self._left is not None and self._left > len(self._held) and not self._refusal:
            return []
        width = self.audio_format.frame_bytes
        in_sound = self._state in (self._sound, self._after) and not self._refusal
        whole = len(self._held) // width * width if in_sound else 0
        pieces = [PcmPiece(self._held[:whole], self.audio_format, whole // width)] if whole else []
        self.dropped += len(self._held) - whole
        if self._from_header and self._state == self._sound and not self._refusal:
            self._held = b''  # a header without a size, so the stream may go on after a pause
        else:
            self._restart()
        return pieces

    # Each state takes the available bytes and returns those that are left for the next state, or None to wait for
    # more; in that case it has stored the waiting bytes in ``_held``.

    def _sound(self, buffer: bytes, pieces: list[PcmPiece]) -> bytes | None:
        limit = len(buffer) if self._left is None else min(len(buffer), self._left)
        at, found = _find_header(buffer, limit)
        width = self.audio_format.frame_bytes
        whole = at // width * width
        if whole and not self._refusal:
            pieces.append(PcmPiece(buffer[:whole], self.audio_format))
        if self._left is not None:
            self._left -= whole
        if found:
            self.dropped += at - whole
            self._state = self._header
            self._fmt = None
            return buffer[at + HEADER_START :]
        if (
            self._left is not None
            and at == limit
            and self._left < width
            and len(buffer) - whole >= self._left
        ):
            self.dropped += self._left
            rest = buffer[whole + self._left :]
            self._left = None
            self._state = self._after
            return rest
        self._held = buffer[whole:]
        return None

    def _header(self, buffer: bytes, pieces: list[PcmPiece]) -> bytes | None:
        if len(buffer) < 8:
            return None
        name, size = buffer[:4], int.from_bytes(buffer[4:8], 'little')
        if name == b'data':
            self._begin_data(size)
            return buffer[8:]
        if name == b'fmt ' and size <= _MAX_FMT:
            if len(buffer) < 8 + size:
                return None
            try:
                self._fmt = format_from_fmt(buffer[8 : 8 + size])
                self._refusal = ''
            except AudioError as error:
                self._refusal = str(error)
            return self._pass(size % 2, buffer[8 + size :], self._header)
        if size > _MAX_SKIPPED or not name.isalnum() and name not in SIDE_CHUNKS:
            self._note(
                f'a WAV header in the stream is damaged at chunk {name!r}; what follows is taken for sound'
            )
            self._begin_data(0)
            return buffer[8:]
        return self._pass(size + size % 2, buffer[8:], self._header)

    def _begin_data(self, size: int) -> None:
        self.headers += 1
        self._state = self._sound
        self._left = None if is_placeholder(size) else size
        self._odd = bool(size % 2)
        self._from_header = True
        if self._fmt is None:
            self._refusal = (
                self._refusal or 'a WAV header in the stream names no format; send it with a fmt chunk'
            )
            return
        self.audio_format = self._fmt
        if self._fmt not in (self._told, self._noted):
            self._note(f'the stream carries a WAV header: {self._fmt} instead of {self._told}')
            self._noted = self._fmt

    def _after(self, buffer: bytes, pieces: list[PcmPiece]) -> bytes | None:
        if self._odd and buffer:
            self._odd = False
            if buffer[0] == 0:
                self._held = buffer = buffer[1:]
        if len(buffer) < HEADER_START:
            return None
        if is_wave_start(buffer):
            self._state = self._header
            self._fmt = None
            return buffer[HEADER_START:]
        size = int.from_bytes(buffer[4:8], 'little')
        if buffer[:4] in SIDE_CHUNKS:
            return self._pass(size + size % 2, buffer[8:], self._after)
        self._state = self._sound  # the sender's sizes are wrong, so the following bytes are still sound
        return buffer

    def _pass(self, count: int, buffer: bytes, then: State) -> bytes | None:
        self._skip, self._after_skip = count, then
        self._state = self._skipping
        return buffer

    def _skipping(self, buffer: bytes, pieces: list[PcmPiece]) -> bytes | None:
        passed = min(self._skip, len(buffer))
        self._skip -= passed
        self._held = b''
        if self._skip:
            return None
        self._state = self._after_skip
        return buffer[passed:]


def _find_header(buffer: bytes, limit: int) -> tuple[int, bool]:
    """Where the sound in ``buffer[:limit]`` ends, and whether a WAV header follows there.

    Without a header it ends at ``limit``, or earlier if more bytes are needed to detect a header.
    """
    at = buffer.find(b'RIFF')
    while 0 <= at < limit:
        if len(buffer) < at + HEADER_START and b'WAVE'.startswith(buffer[at + 8 :]):
            return at, False
        if is_wave_start(buffer, at):
            return at, True
        at = buffer.find(b'RIFF', at + 1)
    for size in (3, 2, 1):
        if limit > len(buffer) - size >= 0 and buffer.endswith(b'RIFF'[:size]):
            return len(buffer) - size, False
    return limit, False
