# SPDX-License-Identifier: Apache-2.0
"""The two packages called audio_common_msgs, told apart by their fields, as one kind of chunk.

ros-drivers: ``AudioData{uint8[] data}``, ``AudioDataStamped{header, audio}`` and a separate
``AudioInfo{channels, sample_rate, sample_format, coding_format}`` with GStreamer's format names.
mgonzs13: ``AudioStamped{header, audio{audio_data{float32_data ... uint8_data}, info{format,
channels, rate, chunk}}}`` with PortAudio's format codes.
"""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.audio.chunk import AudioChunk, AudioFormat
from diffposetalk_ros.audio.pcm import pcm_from_bytes, to_mono_float32
from diffposetalk_ros.errors import AudioError
from diffposetalk_ros.ros.messages.stamps import nanoseconds_of

__all__ = [
    'audio_to_message',
    'chunk_from_message',
    'default_kind',
    'format_from_info',
    'has_portaudio_form',
    'message_class',
    'stamped_kind',
]

_PORTAUDIO = {1: ('float32_data', 'f4'), 2: ('int32_data', 'i4'), 8: ('int16_data', 'i2')}
_PORTAUDIO |= {16: ('int8_data', 'i1'), 32: ('uint8_data', 'u1')}


def has_portaudio_form() -> bool:
    """Whether the installed audio_common_msgs is mgonzs13's (True) or ros-drivers' (False).

    Raises AudioError when none is installed.
    """
    return 'float32_data' in message_class('AudioData').get_fields_and_field_types()


def default_kind() -> str:
    """What the audio topics carry unless somebody says otherwise, the same for senders and receivers.

    ros-drivers' audio_capture publishes `audio` without stamps, so its form does. Raises AudioError when none
    is installed.
    """
    return 'AudioStamped' if has_portaudio_form() else 'AudioData'


def stamped_kind() -> str:
    """The form with stamps, for who measures or lays sound by its time. Raises AudioError as `default_kind`."""
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


def format_from_info(info: Any) -> AudioFormat:
    """Format of ros-drivers' AudioInfo. Raises AudioError for compressed audio or a wrong value."""
    coding = info.coding_format.lower()
    if coding not in ('', 'wave', 'wav', 'raw', 'pcm'):
        raise AudioError(f'audio is coded as {info.coding_format!r}; give audio_capture format:=wave')
    return AudioFormat(int(info.sample_rate), int(info.channels), info.sample_format)


def chunk_from_message(message: Any, fallback: AudioFormat) -> AudioChunk:
    """Any audio message -> AudioChunk.

    ``fallback`` is the format of messages that carry none (ros-drivers). A zero stamp becomes None.
    NaN and infinity become silence and are counted. Raises AudioError for an empty message, a
    length that is not whole frames, or an unknown format.
    """
    stamp = None
    if hasattr(message, 'header'):
        time = message.header.stamp
        stamp = nanoseconds_of(time) or None
    body = message.audio if hasattr(message, 'audio') else message
    if hasattr(body, 'info'):
        samples, audio_format = _portaudio_samples(body)
    elif hasattr(body, 'data'):
        samples, audio_format = _bytes_as_samples(body.data, fallback), fallback
    else:  # mgonzs13's AudioData alone: the filled field tells the type, not rate and channels
        samples, audio_format = _filled_field(body), fallback
    return AudioChunk(to_mono_float32(samples, audio_format.channels), audio_format.rate, stamp)


def audio_to_message(
    samples: NDArray[np.float32], rate: int, stamp: Any, name: str, *, frame_id: str = ''
) -> Any:
    """Mono float samples -> the named message type of whichever form is installed, as 16-bit PCM."""
    pcm = np.round(np.clip(samples, -1.0, 1.0) * 32767.0).astype('<i2')
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


def _portaudio_samples(audio: Any) -> tuple[NDArray[Any], AudioFormat]:
    info = audio.info
    if info.format not in _PORTAUDIO:
        raise AudioError(f'audio format code {info.format}; PortAudio uses {sorted(_PORTAUDIO)}')
    field, dtype = _PORTAUDIO[info.format]
    audio_format = AudioFormat(info.rate, info.channels)
    samples = np.frombuffer(getattr(audio.audio_data, field), dtype)
    if not len(samples):
        raise AudioError(f'audio message with format code {info.format} has an empty {field}')
    return samples, audio_format


def _filled_field(data: Any) -> NDArray[Any]:
    filled = [(f, d) for f, d in _PORTAUDIO.values() if len(getattr(data, f))]
    if len(filled) != 1:
        raise AudioError(f'AudioData fills {len(filled)} of its fields; fill exactly one')
    return np.frombuffer(getattr(data, filled[0][0]), filled[0][1])


def _bytes_as_samples(data: Any, audio_format: AudioFormat) -> NDArray[Any]:
    if not len(data):
        raise AudioError('audio message is empty')
    return pcm_from_bytes(bytes(data), audio_format.sample_format)
