# SPDX-License-Identifier: Apache-2.0
"""Processing of a message's sound before it is stored. Imports no ROS."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from diffposetalk_ros.audio.chunk import AudioChunk
from diffposetalk_ros.audio.level import LevelMeter, amplified
from diffposetalk_ros.audio.voice_gate import VoiceGate, silero_detector

__all__ = ['AudioFrontEnd', 'HeardMessage']


@dataclass(frozen=True)
class HeardMessage:
    """Sound, its message, and the times at which the message arrived and was sent (ns)."""

    chunk: AudioChunk
    arrived: int
    message: Any
    sent: int


class AudioFrontEnd:
    """Gain, level meter and, if configured, a voice gate. ``arrival``: arrival time of the newest message (ns).

    The constructor raises ConfigError if the voice detector is not installed.
    """

    def __init__(self, voice_only: bool) -> None:
        self.arrival: int | None = None
        self._level = LevelMeter()
        self._gate = VoiceGate[HeardMessage](silero_detector()) if voice_only else None

    @property
    def loudest(self) -> float:
        """Loudest level of the last seconds, dBFS."""
        return self._level.decibels

    @property
    def waiting(self) -> bool:
        """Whether the gate is closed until somebody speaks."""
        return self._gate is not None and not self._gate.open

    def push(self, heard: HeardMessage, gain: float) -> list[HeardMessage]:
        """Process a message that arrived; ``gain`` in dB. Returns the messages to store, oldest first."""
        self.arrival = heard.arrived
        chunk = heard.chunk
        if gain:
            louder = replace(chunk.sound, samples=amplified(chunk.sound.samples, gain))
            chunk = replace(chunk, sound=louder)
            heard = replace(heard, chunk=chunk)
        samples = chunk.sound.samples
        self._level.push(samples, chunk.rate)
        return [heard] if self._gate is None else self._gate.push(samples, chunk.rate, heard)
