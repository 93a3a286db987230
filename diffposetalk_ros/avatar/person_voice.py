# SPDX-License-Identifier: Apache-2.0
"""Detects the voice of the person who talks with the avatar."""

from __future__ import annotations

from diffposetalk_ros.audio.chunk import AudioChunk
from diffposetalk_ros.audio.voice_gate import VoiceGate, silero_detector
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['PersonVoice']

_PATIENCE = NS_PER_SECOND // 2
"""A voice has ended when the next message of its microphone is late by this time (ns)."""


class PersonVoice:
    """Detects when a person speaks. Raises ConfigError if the detector is not installed."""

    def __init__(self) -> None:
        self._gate = VoiceGate[None](silero_detector())
        self._arrived, self._patience = 0, _PATIENCE

    def push(self, chunk: AudioChunk, now: int) -> bool:
        """Whether somebody has begun to speak in this sound, which arrived at ``now`` (ns)."""
        before = self.speaks(now)
        if self._gate.open and not before:
            # The microphone stopped in the middle of a word. What comes now is not the rest of that word.
            self._gate = VoiceGate[None](silero_detector())
        length = len(chunk.sound.samples) * NS_PER_SECOND // chunk.rate
        self._arrived, self._patience = now, length + _PATIENCE
        self._gate.push(chunk.sound.samples, chunk.rate, None)
        return self._gate.open and not before

    def speaks(self, now: int) -> bool:
        """Whether somebody speaks at ``now`` (ns). It stays True for half a second after the last word."""
        return self._gate.open and 0 <= now - self._arrived <= self._patience
