# SPDX-License-Identifier: Apache-2.0
"""A chunk of incoming sound and its format."""

from __future__ import annotations

from dataclasses import dataclass

from diffposetalk_ros.audio.formats.pcm import PCM_FORMATS, MonoAudio
from diffposetalk_ros.audio.resampler import check_rate
from diffposetalk_ros.errors import AudioError

__all__ = ['AudioChunk', 'AudioFormat']


@dataclass(frozen=True)
class AudioFormat:
    """Rate in Hz, number of interleaved channels, GStreamer sample format."""

    rate: int = 16000
    channels: int = 1
    sample_format: str = 'S16LE'

    def __post_init__(self) -> None:
        check_rate(self.rate)
        if not 1 <= self.channels <= 64:
            raise AudioError(f'{self.channels} audio channels; use 1 to 64')
        if self.sample_format not in PCM_FORMATS:
            raise AudioError(f'audio format {self.sample_format!r}; use one of {", ".join(PCM_FORMATS)}')

    def __str__(self) -> str:
        plural = '' if self.channels == 1 else 's'
        return f'{self.rate} Hz, {self.channels} channel{plural}, {self.sample_format}'

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * PCM_FORMATS[self.sample_format][1]


@dataclass(frozen=True)
class AudioChunk:
    """Mono sound at ``rate`` Hz; ``stamp`` (ns) is the time of its first sample, None if unknown."""

    sound: MonoAudio
    rate: int
    stamp: int | None
