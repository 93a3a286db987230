# SPDX-License-Identifier: Apache-2.0
"""Interrupts: the rest of an interrupted utterance is not spoken."""

from __future__ import annotations

from diffposetalk_ros.audio.chunk import AudioChunk
from diffposetalk_ros.audio.level import is_quiet
from diffposetalk_ros.audio.sample_clock import SENTENCE
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['InterruptHold']


class InterruptHold:
    """Withholds the sound that a sender still sends of an interrupted utterance.

    The hold ends with a pause of ``pause`` s between messages, with a jump of that length in their stamps, with
    another sample rate, or with `release`. A sender that never pauses ends it with a second of silence.
    ``held``: seconds of sound that were not spoken.
    """

    def __init__(self, pause: float) -> None:
        self.pause = pause
        self.held = 0.0
        self._holding = False
        self._arrival: int | None = None
        self._rate = 0
        self._end: int | None = None
        self._quiet_since: int | None = None

    @property
    def holding(self) -> bool:
        """Whether sound is withheld, as far as is known."""
        return self._holding

    def begin(self) -> None:
        """An interrupt was requested."""
        self._holding = self._arrival is not None and self.pause > 0
        self._quiet_since = None

    def release(self) -> None:
        """End the hold: the next sound is spoken."""
        self._holding = False

    def passes(self, chunk: AudioChunk, now: int) -> bool:
        """Whether sound that arrived at ``now`` (ns) is spoken. Must be called for every message."""
        length = len(chunk.sound.samples) / chunk.rate
        if self._holding and (self._is_silent(chunk, now) or self._begins(chunk, now)):
            self._holding = False
        self._arrival, self._rate = now, chunk.rate
        self._end = None if chunk.stamp is None else chunk.stamp + round(length * NS_PER_SECOND)
        if self._holding:
            self.held += length
        return not self._holding

    def _is_silent(self, chunk: AudioChunk, now: int) -> bool:
        """Whether the sender has sent nothing but silence for a second, in real time: the pause of a sender
        that never stops sending, such as a telephone or a browser."""
        if not is_quiet(chunk.sound.samples):
            self._quiet_since = None
        elif self._quiet_since is None or now < self._quiet_since:
            self._quiet_since = now
        return (
            self._quiet_since is not None and now - self._quiet_since >= max(self.pause, 1.0) * NS_PER_SECOND
        )

    def _begins(self, chunk: AudioChunk, now: int) -> bool:
        """Whether this message begins another utterance."""
        assert self._arrival is not None, 'something was interrupted'
        # A live sender of long messages is silent between them. A whole sentence follows a pause like other sound.
        length = len(chunk.sound.samples) * NS_PER_SECOND // chunk.rate
        pause = max(self.pause * NS_PER_SECOND, 1.5 * min(length, SENTENCE))
        if chunk.rate != self._rate or not 0 <= now - self._arrival <= pause:
            return True
        return self._end is not None and chunk.stamp is not None and abs(chunk.stamp - self._end) > pause
