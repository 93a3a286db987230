# SPDX-License-Identifier: Apache-2.0
"""Converts messages of both packages called audio_common_msgs to one chunk type; fields identify the package.

ros-drivers: ``AudioData{uint8[] data}``, ``AudioDataStamped{header, audio}`` and a separate
``AudioInfo{channels, sample_rate, sample_format, coding_format}`` with GStreamer's format names.
mgonzs13: ``AudioStamped{header, audio{audio_data{float32_data ... uint8_data}, info{format,
channels, rate, chunk}}}`` with PortAudio's format codes.
"""

from __future__ import annotations

import array
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.audio.chunk import AudioChunk, AudioFormat
from diffposetalk_ros.audio.formats.byte_stream import ByteStream
from diffposetalk_ros.audio.formats.coded_stream import CodedStream
from diffposetalk_ros.audio.formats.pcm import (
    MonoAudio,
    pcm_from_bytes,
    pcm_to_bytes,
    to_int16,
    to_mono_float32,
)
from diffposetalk_ros.audio.resampler import StreamResampler
from diffposetalk_ros.errors import AudioError
from diffposetalk_ros.ros.messages.stamps import nanoseconds_of
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = [
    'AudioReader',
    'audio_to_message',
    'coding_from_info',
    'default_kind',
    'format_from_info',
    'has_portaudio_form',
    'message_class',
    'stamped_kind',
]

_LONGEST = 600 * NS_PER_SECOND
"""Sound may come so far (ns) ahead of its time; a clock that goes back further was set."""
_MAX_SENDERS = 16

_PORTAUDIO = {
    1: ('float32_data', 'f', 'F32LE'),
    2: ('int32_data', 'i', 'S32LE'),
    8: ('int16_data', 'h', 'S16LE'),
    16: ('int8_data', 'b', 'S8'),
    32: ('uint8_data', 'B', 'U8'),
}
"""PortAudio's code -> (field of the message, type of the array, GStreamer's name)."""
_CODES = {name: code for code, (_, _, name) in _PORTAUDIO.items()}


def has_portaudio_form() -> bool:
    """Whether the installed audio_common_msgs is mgonzs13's (True) or ros-drivers' (False).

    Raises AudioError when none is installed.
    """
    return 'float32_data' in message_class('AudioData').get_fields_and_field_types()


def default_kind() -> str:
    """Default type of the audio topics, the same for senders and receivers.

    With ros-drivers' package it has no stamps, because audio_capture publishes `audio` without them. Raises
    AudioError when none is installed.
    """
    return 'AudioStamped' if has_portaudio_form() else 'AudioData'


def stamped_kind() -> str:
    """The type with stamps, for programs that need the time of the sound. Raises AudioError as `default_kind`."""
    return 'AudioStamped' if has_portaudio_form() else 'AudioDataStamped'


def message_class(name: str) -> Any:
    """Class of audio_common_msgs/msg. Raises AudioError when the package or the type is missing."""
    try:
        import audio_common_msgs.msg as messages
    except ImportError as error:
        raise AudioError(
            f'audio_common_msgs is not installed ({error}); install ros-<distro>-audio-common-msgs'
        ) from error
    if not hasattr(messages, name):
        raise AudioError(f'the installed audio_common_msgs has no {name}; set audio.message to auto')
    return getattr(messages, name)


def coding_from_info(info: Any) -> str:
    """Coding of the topic's bytes from ros-drivers' AudioInfo: '' for raw samples, otherwise 'mp3', 'opus' ..."""
    coding = info.coding_format.strip().lower()
    return '' if coding in ('wave', 'wav', 'raw', 'pcm') else coding


def format_from_info(info: Any) -> AudioFormat:
    """Format of ros-drivers' AudioInfo. Raises AudioError for coded audio or a wrong value."""
    coding = coding_from_info(info)
    if coding:
        raise AudioError(f'audio is coded as {info.coding_format!r}; give audio_capture format:=wave')
    return AudioFormat(int(info.sample_rate), int(info.channels), info.sample_format)


class AudioReader:
    """Converts messages of one audio topic to chunks. An incomplete frame is kept for the next message.

    Senders are distinguished by the frame_id of stamped messages, because rclpy does not tell the publisher.

    ``fallback``: format of messages that carry none (ros-drivers) until `on_info`. ``channel``: channel to use,
    from 1; 0 is the mean of all. ``end_timeout``: seconds without sound after which an incomplete frame is dropped.
    ``note`` takes a line about headers or codings found in the stream, once each.
    """

    def __init__(
        self,
        fallback: AudioFormat,
        channel: int = 0,
        end_timeout: float = 1.0,
        note: Callable[[str], object] = lambda text: None,
    ) -> None:
        self.end_timeout = end_timeout
        self.told = False
        """Whether an `on_info` has told the format."""
        self._channel, self._note = channel, note
        self._fallback = fallback
        self._streams: dict[str, ByteStream] = {}
        self._coded: CodedStream | None = None
        self._refusal = ''
        self._waiting = b''  # coded bytes whose sound is still inside the decoder
        self._over = 0  # when the sound received so far ends, ns
        self._resampler: StreamResampler | None = None

    @property
    def audio_format(self) -> AudioFormat:
        """Format of messages that carry none."""
        return self._fallback

    @property
    def refuses(self) -> bool:
        """Whether the last `on_info` told a format that cannot be read."""
        return bool(self._refusal)

    @property
    def dropped(self) -> int:
        """Bytes that belonged to no whole frame."""
        return sum(stream.dropped for stream in self._streams.values())

    def on_info(self, info: Any) -> None:
        """Follow ros-drivers' AudioInfo.

        Raises AudioError for a format that cannot be read. Until another one arrives, `read` then refuses the sound
        instead of treating it as raw samples.
        """
        try:
            coding = coding_from_info(info)
            if coding:
                if self._coded is None or self._coded.coding != coding:
                    self._coded = CodedStream(coding, self._channel)
            else:
                self._fallback = format_from_info(info)
                self._coded = None
        except AudioError as error:
            self._refusal, self._coded = f'{error} (audio_info)', None
            raise
        self._refusal, self.told = '', True

    def read(self, message: Any, now: int) -> list[tuple[AudioChunk, Any]]:
        """Chunks of a message that arrived at ``now`` (ns), in order, each with the message to pass on.

        The message to pass on has whole frames and no WAV header, in the format announced for the topic. It is
        ``message`` itself if that already meets this. The list is empty while a frame is incomplete.

        Raises AudioError for an empty message, an unknown format or coded sound that cannot be decoded.
        """
        if self._refusal:
            raise AudioError(self._refusal)
        data, told, carries_format = _bytes_of(message, self._fallback)
        if now - self._over > self.end_timeout * NS_PER_SECOND or now < self._over - _LONGEST:
            self._end(now)
        if self._coded is not None and not carries_format:
            out = self._read_coded(message, data)
        else:
            out = self._read_pcm(message, data, told, carries_format)
        self._over = max(now, self._over) + sum(
            len(c.sound.samples) * NS_PER_SECOND // c.rate for c, _ in out
        )
        return out

    def _end(self, now: int) -> None:
        for stream in self._streams.values():
            stream.end()
        if self._coded is not None:
            self._coded.end()
        self._waiting, self._over, self._resampler = b'', now, None

    def _read_coded(self, message: Any, data: bytes) -> list[tuple[AudioChunk, Any]]:
        assert self._coded is not None
        sound, rate = self._coded.push(data)
        waiting, self._waiting = self._waiting + data, b''
        if not len(sound.samples):
            self._waiting = waiting
            return []
        passed = message if len(waiting) == len(data) else _rebuilt(message, waiting)
        return [(AudioChunk(sound, rate, _stamp_of(message)), passed)]

    def _read_pcm(
        self, message: Any, data: bytes, told: AudioFormat, carries_format: bool
    ) -> list[tuple[AudioChunk, Any]]:
        sender = message.header.frame_id if hasattr(message, 'header') else ''
        if sender not in self._streams:
            if len(self._streams) >= _MAX_SENDERS:
                self._streams.clear()
            self._streams[sender] = ByteStream(told, self._note)
        stream = self._streams[sender]
        stream.told = told
        stamp, ahead = _stamp_of(message), 0
        out = []
        for piece in stream.push(data):
            made = piece.audio_format
            samples = pcm_from_bytes(piece.data, made.sample_format)
            sound = to_mono_float32(samples, made.channels, self._channel)
            first = None if stamp is None else stamp + (ahead - piece.carried * NS_PER_SECOND) // made.rate
            ahead += (piece.frames - piece.carried) * NS_PER_SECOND
            if piece.data == data and made == told:
                passed = message
            elif carries_format or made == told:
                passed = _rebuilt(message, piece.data, made)
            else:
                passed = _rebuilt(message, self._in_told_format(sound, made.rate, told))
            out.append((AudioChunk(sound, made.rate, first), passed))
        return out

    def _in_told_format(self, sound: MonoAudio, rate: int, told: AudioFormat) -> bytes:
        """The bytes in the format announced for the topic, which is all that a listener knows."""
        if self._resampler is None or (self._resampler.rate, self._resampler.out_rate) != (rate, told.rate):
            self._resampler = StreamResampler(rate, told.rate)
        return pcm_to_bytes(self._resampler.push(sound.samples), told.sample_format, told.channels)


def audio_to_message(
    samples: NDArray[np.float32], rate: int, stamp: Any, name: str, *, frame_id: str = ''
) -> Any:
    """Mono float samples -> the named message type of the installed package, as 16-bit PCM."""
    pcm = to_int16(samples)
    message = message_class(name)()
    if name == 'AudioData':
        message.data = array.array('B', pcm.tobytes())
        return message
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    if name == 'AudioDataStamped':
        message.audio.data = array.array('B', pcm.tobytes())
        return message
    message.audio.audio_data.int16_data = array.array('h', pcm.tobytes())
    info = message.audio.info
    info.format, info.channels, info.rate, info.chunk = 8, 1, rate, len(pcm)
    return message


def _stamp_of(message: Any) -> int | None:
    """Time of the first sample in ns; None without a header or with a zero stamp."""
    if not hasattr(message, 'header'):
        return None
    time = message.header.stamp
    return (nanoseconds_of(time)) or None


def _bytes_of(message: Any, fallback: AudioFormat) -> tuple[bytes, AudioFormat, bool]:
    """Bytes of a message, their format, and whether the message itself tells it."""
    body = message.audio if hasattr(message, 'audio') else message
    if hasattr(body, 'data'):
        if not len(body.data):
            raise AudioError('audio message is empty')
        return bytes(body.data), fallback, False
    if hasattr(body, 'info'):
        info, data = body.info, body.audio_data
        if info.format not in _PORTAUDIO:
            raise AudioError(f'audio format code {info.format}; PortAudio uses {sorted(_PORTAUDIO)}')
        field, _, name = _PORTAUDIO[info.format]
        values = getattr(data, field)
        if not len(values):
            raise AudioError(f'audio message with format code {info.format} has an empty {field}')
        return _array_bytes(values), AudioFormat(info.rate, info.channels, name), True
    # mgonzs13's AudioData alone: the filled field gives the sample type, but not rate and channels
    filled = [(f, name) for f, _, name in _PORTAUDIO.values() if len(getattr(body, f))]
    if len(filled) != 1:
        raise AudioError(f'AudioData fills {len(filled)} of its fields; fill exactly one')
    field, name = filled[0]
    return _array_bytes(getattr(body, field)), replace(fallback, sample_format=name), False


def _array_bytes(values: Any) -> bytes:
    return bytes(memoryview(values).cast('B'))


def _rebuilt(message: Any, data: bytes, audio_format: AudioFormat | None = None) -> Any:
    """A copy of ``message`` with other bytes; ``audio_format``: their format, if the message has a field for it."""
    made = type(message)()
    if hasattr(message, 'header'):
        made.header = message.header
    body, old = (made.audio, message.audio) if hasattr(message, 'audio') else (made, message)
    if hasattr(old, 'data'):
        body.data = array.array('B', data)
        return made
    if hasattr(old, 'info') and audio_format is not None:
        if audio_format.sample_format not in _CODES:  # PortAudio has no code for 24-bit and G.711
            samples = to_mono_float32(pcm_from_bytes(data, audio_format.sample_format)).samples
            data, audio_format = pcm_to_bytes(samples, 'F32LE'), replace(audio_format, sample_format='F32LE')
        code = _CODES[audio_format.sample_format]
        info = body.info
        info.format, info.channels, info.rate = code, audio_format.channels, audio_format.rate
        info.chunk = len(data) // audio_format.frame_bytes
        field, kind, _ = _PORTAUDIO[code]
        setattr(body.audio_data, field, array.array(kind, data))
        return made
    field, kind = next((f, kind) for f, kind, _ in _PORTAUDIO.values() if len(getattr(old, f)))
    setattr(body, field, array.array(kind, data))
    return made
