# SPDX-License-Identifier: Apache-2.0
"""What happens to the sound of a message before it is stored. Imports no ROS."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from diffposetalk_ros.audio.chunk import AudioChunk
from diffposetalk_ros.audio.level import LevelMeter, amplified
from diffposetalk_ros.audio.voice_gate import VoiceGate, silero_detector

__all__ = ['AudioFrontEnd', 'HeardMessage']


@dataclass(frozen=True)
class HeardMessage:
    """Sound, the message it came in, and when that arrived and was sent (ns)."""

    chunk: AudioChunk
    arrived: int
    message: Any
    sent: int


class AudioFrontEnd:
    """Gain, level, and a gate where only voices are to be heard. ``arrival``: of the newest message (ns).

    Raises ConfigError from the constructor where the voice detector is not installed.
    """

    def __init__(self, voice_only: bool) -> None:
        self.arrival: int | None = None
        self._level = LevelMeter()
        self._gate = VoiceGate[HeardMessage](silero_detector()) if voice_only else None

    @property
    def loudest(self) -> float:
        """Of the last seconds, dBFS."""
        return self._level.decibels

    @property
    def waiting(self) -> bool:
        """Whether nothing goes through until somebody speaks."""
        return self._gate is not None and not self._gate.open

    def push(self, heard: HeardMessage, gain: float) -> list[HeardMessage]:
        """A message arrived; ``gain`` in dB. Returns what is to be stored, older messages first."""
        self.arrival = heard.arrived
        chunk = heard.chunk
        if gain:
            louder = replace(chunk.sound, samples=amplified(chunk.sound.samples, gain))
            chunk = replace(chunk, sound=louder)
            heard = replace(heard, chunk=chunk)
        samples = chunk.sound.samples
        self._level.push(samples, chunk.rate)
        return [heard] if self._gate is None else self._gate.push(samples, chunk.rate, heard)
