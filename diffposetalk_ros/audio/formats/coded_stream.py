# SPDX-License-Identifier: Apache-2.0
"""Decodes sound that arrives coded (MP3, Opus), message by message, to mono samples. Needs PyAV."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.audio.formats.pcm import MonoAudio, to_mono_float32
from diffposetalk_ros.errors import AudioError

__all__ = ['CODINGS', 'CodedStream']

CODINGS = ('mp3', 'opus')
"""What can be decoded: MP3 cut anywhere, and Opus with one packet in each message."""

_CONTAINERS = {b'OggS': 'Ogg', b'\x1aE\xdf\xa3': 'WebM', b'RIFF': 'WAV', b'fLaC': 'FLAC'}


class CodedStream:
    """Decoder of one sender. ``damaged`` counts packets that could not be decoded.

    The constructor raises AudioError for a coding that is not in `CODINGS`, or without PyAV.
    """

    def __init__(self, coding: str, channel: int = 0) -> None:
        if coding not in CODINGS:
            raise AudioError(
                f'sound coded as {coding!r} is not decoded here; send {", ".join(CODINGS)} or raw samples'
            )
        if find_spec('av') is None:
            raise AudioError(
                f'sound coded as {coding} needs PyAV (pip install av), or send raw samples: '
                'format:=wave of audio_capture'
            )
        self.coding = coding
        self.damaged = 0
        self._channel = channel
        self._codec = self._new_codec()

    def _new_codec(self) -> Any:
        import av

        return av.CodecContext.create(self.coding, 'r')

    def push(self, data: bytes) -> tuple[MonoAudio, int]:
        """Add bytes and return the samples that are now complete, possibly none, and their rate (Hz).

        Raises AudioError for a container, which must be demultiplexed first.
        """
        import av

        container = _CONTAINERS.get(bytes(data[:4]))
        if container is not None:
            raise AudioError(
                f'audio_info names {self.coding}, but the sound is {container}; send plain {self.coding}'
            )
        parts: list[MonoAudio] = []
        rate = 16000
        for packet in [av.Packet(data)] if self.coding == 'opus' else self._codec.parse(data):
            try:
                frames = self._codec.decode(packet)
            except av.error.InvalidDataError:  # a tag, or the rest of a frame whose beginning was lost
                self.damaged += 1
                continue
            for frame in frames:
                rate = frame.sample_rate
                parts.append(_mono(frame, self._channel))
        if not parts:
            return MonoAudio(np.zeros(0, np.float32)), rate
        samples = np.concatenate([part.samples for part in parts])
        return MonoAudio(samples, sum(p.invalid for p in parts), sum(p.clipped for p in parts)), rate

    def end(self) -> None:
        """The sound pauses: discard an incomplete packet."""
        self._codec = self._new_codec()


def _mono(frame: Any, channel: int) -> MonoAudio:
    values: NDArray[Any] = frame.to_ndarray()
    channels = frame.layout.nb_channels
    if frame.format.is_planar:
        values = values.T
    return to_mono_float32(np.ascontiguousarray(values).reshape(-1), channels, channel)
