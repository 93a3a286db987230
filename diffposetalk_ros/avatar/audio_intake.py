# SPDX-License-Identifier: Apache-2.0
"""Audio messages into the ring buffer: clock, gaps, resampling, end of utterance. Imports no ROS."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffposetalk_ros.audio.chunk import AudioChunk
from diffposetalk_ros.audio.level import is_quiet
from diffposetalk_ros.audio.resampler import StreamResampler
from diffposetalk_ros.audio.ring_buffer import AudioRingBuffer
from diffposetalk_ros.audio.sample_clock import (
    DUPLICATE,
    SENTENCE,
    TOO_LATE,
    Append,
    ClockConfig,
    Drop,
    Reset,
    SampleClock,
    Silence,
)
from diffposetalk_ros.audio.sender_clock import SenderClock
from diffposetalk_ros.playout.delayed_audio import AudioPiece
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['AudioIntake', 'IntakeCounters']

_PAUSE = 25_000_000
"""Live sound pauses when nothing arrives for this time (ns). Then frames are generated without the sound that is
still missing. By default this is 50 ms after the sound: in time for the next frame, and not for every message that is
a little late."""

_BREAK = NS_PER_SECOND // 10
"""A sender that is ahead of time pauses when nothing arrives for this time (ns), or for twice the length of a
message that is not a whole sentence."""

_ENDS = 2 * NS_PER_SECOND // 5
"""Such a pause matters only when at most this much (ns) of the sound is still to be shown: a few windows."""

_MARGIN = 0.1
"""A gap begins a new utterance if it is this much (s) longer than the time-out. By then `poll` has ended the old one,
so that it gets all of its frames."""

_LONGEST_GAP = 1.0
"""Generating the silence of a longer gap (s) takes too long, whatever the time-out."""

_LIVE = NS_PER_SECOND // 4
"""A sender is live when it has kept the pace of its sound for this time (ns)."""


@dataclass
class IntakeCounters:
    """Counts since activation: messages and utterances; seconds of sound, of filled gaps, of unused sound and of
    ``stale`` sound, which came too late; values that were NaN or infinite, and values outside [-1, 1]. ``note``
    says why sound was last left out or an utterance was begun; it is '' if it was the first or came after a pause."""

    messages: int = 0
    utterances: int = 0
    sound: float = 0.0
    gaps: float = 0.0
    unused: float = 0.0
    stale: float = 0.0
    invalid: int = 0
    clipped: int = 0
    note: str = ''


class _Pace:
    """Messages of the last 4 s, 1000 at most: when they were sent, and how much sound they held. All in ns."""

    def __init__(self) -> None:
        self._messages: deque[tuple[int, int]] = deque()
        self.sound = 0

    @property
    def elapsed(self) -> int:
        """Time from the first to the last message."""
        return self._messages[-1][0] - self._messages[0][0] if self._messages else 0

    @property
    def oldest(self) -> int:
        """Sound of the first message."""
        return self._messages[0][1]

    @property
    def newest(self) -> int:
        """Sound of the last message."""
        return self._messages[-1][1]

    def add(self, sent: int, sound: int) -> None:
        """Add a message. A message that does not closely follow the last one starts a new count."""
        messages = self._messages
        if messages and not 0 <= sent - messages[-1][0] < NS_PER_SECOND + 2 * sound:
            messages.clear()
            self.sound = 0
        messages.append((sent, sound))
        self.sound += sound
        while len(messages) > 1000 or (sent - messages[0][0] > 4 * NS_PER_SECOND and len(messages) > 2):
            self.sound -= messages.popleft()[1]


class AudioIntake:
    """Belongs to the executor's thread; only the ring buffer is shared with the worker.

    Each utterance is one epoch of the ring; ``begin`` starts the next (`InferenceWorker.reset`).
    ``pause`` is called when no more sound arrives, long before the utterance counts as over
    (`InferenceWorker.preview`). ``origin`` is the time (ns) of sample 0. ``too_late`` (ns): sound that arrives this
    long after it was spoken is not used. ``sender``: estimate of the sender's clock.
    """

    def __init__(
        self,
        ring: AudioRingBuffer,
        begin: Callable[[], object],
        end_timeout: float,
        pause: Callable[[], object] = lambda: None,
    ) -> None:
        self.ring = ring
        self._begin = begin
        self._pause = pause
        self._paused = False
        self.end_timeout = end_timeout
        self.counters = IntakeCounters()
        self.last_arrival: int | None = None
        self._resampler: StreamResampler | None = None
        self._clock: SampleClock | None = None
        self._open = False
        self._chunk_ns = self._stamp = 0
        self.too_late = 10 * NS_PER_SECOND
        self.sender = SenderClock()
        self._pace = _Pace()

    @property
    def end_timeout(self) -> float:
        """Seconds without sound after which the utterance is over."""
        return self._end_timeout

    @end_timeout.setter
    def end_timeout(self, seconds: float) -> None:
        self._end_timeout = seconds
        self._limits = ClockConfig(max_gap=min(seconds + _MARGIN, _LONGEST_GAP))

    @property
    def origin(self) -> int | None:
        """Time of sample 0 of the current utterance, ns; None before the first."""
        return self._clock.origin if self._clock else None

    @property
    def received(self) -> int:
        """Length of this utterance so far, ns."""
        return self._clock.samples * NS_PER_SECOND // self._clock.rate if self._clock else 0

    @property
    def newest(self) -> int:
        """Length of the last message, ns."""
        return self._chunk_ns

    @property
    def open(self) -> bool:
        """Whether an utterance is under way."""
        return self._open

    def push(
        self, chunk: AudioChunk, now: int, message: Any = None, sent: int | None = None
    ) -> AudioPiece | None:
        """Store the sound of one ``message`` that arrived at ``now`` (ns); ``sent``: when it was sent, if known.

        Returns its position in the utterance, or None if it is empty, a duplicate or too late.
        """
        clock, new = self._clock, self._clock is None or self._clock.rate != chunk.rate
        if clock is None or (new and not self._open):
            clock = SampleClock(chunk.rate)
        elif not self._open:
            clock.reset()
        clock.config = self._limits
        counters, sound = self.counters, chunk.sound
        counters.messages += 1
        counters.invalid += sound.invalid
        counters.clipped += sound.clipped
        self.last_arrival, self._paused = now, False
        self._chunk_ns = len(sound.samples) * NS_PER_SECOND // chunk.rate
        sent = now if sent is None else min(sent, now)
        stamp = chunk.stamp or 0
        if not clock.tells_piece(self._chunk_ns) and stamp + self.sender.offset < sent - SENTENCE:
            # Some synthesisers stamp a sentence with the time of its text, but nobody heard it before it was sent.
            stamp = 0
        # One stamp for a whole sentence does not tell when each of its pieces was spoken.
        told, self._stamp = stamp not in (0, self._stamp), stamp
        stamp = self._corrected(clock, stamp, sent) if stamp else 0
        spoken = stamp + self._chunk_ns if told else sent
        if self._is_live(sent) and now - spoken > self.too_late:
            counters.stale += len(sound.samples) / chunk.rate
            counters.note = 'sound came too late to be heard'
            return None
        if not len(sound.samples):
            return None
        # Only accepted sound changes the rate: sound that is too late leaves the clock of an open utterance as it is.
        if new:
            if clock is self._clock:  # what was sent ahead at the other rate is still to be presented
                clock = self._at_rate(chunk.rate)
            self._resampler, self._clock = StreamResampler(chunk.rate), clock
        actions = clock.observe(stamp, sound.samples, sent)
        self._apply(actions)
        if any(isinstance(action, Drop) and action.reason in (DUPLICATE, TOO_LATE) for action in actions):
            return None
        quiet = is_quiet(sound.samples)
        return AudioPiece(clock.chunk_offset_ns, self._chunk_ns, quiet, message)

    def _at_rate(self, rate: int) -> SampleClock:
        """The clock of the utterance, continued at another rate."""
        assert self._clock is not None and self._resampler is not None
        self._apply(self._clock.flush())
        self.ring.append(self._resampler.flush())
        return self._clock.at_rate(rate)

    @property
    def speed(self) -> float:
        """Seconds of sound sent per second, over the last seconds; NaN unless sound has just been sent for 2 s."""
        pace = self._pace
        return float('nan') if pace.elapsed < 2 * NS_PER_SECOND else (pace.sound - pace.newest) / pace.elapsed

    def _is_live(self, sent: int) -> bool:
        """Whether the sender sends in real time. Synthesised speech, which is faster, is never too late."""
        self._pace.add(sent, self._chunk_ns)
        # Measured over the last 4 s, so a synthesiser that stalls for a tenth of a second does not look live.
        elapsed = self._pace.elapsed
        return elapsed >= _LIVE and 2 * elapsed > self._pace.sound - self._pace.oldest

    def _corrected(self, clock: SampleClock, stamp: int, sent: int) -> int:
        """The stamp on the receiver's clock."""
        clock.move(self.sender.observe(stamp, self._chunk_ns, sent, not self._open))
        return stamp + self.sender.offset

    def poll(self, now: int) -> bool:
        """End the utterance when its sound is over and nothing has come for the time-out.

        A message waits for an earlier one for no more than a tenth of a second. A sender of long messages is silent
        between them, so the time-out is half a message longer. Returns whether the utterance ended now.
        """
        if not self._open or self._clock is None or self.last_arrival is None:
            return False
        if self._clock.holds_back and now - self.last_arrival > _BREAK:
            self._apply(self._clock.flush())
        heard = self._clock.time_of(self._clock.samples / self._clock.rate)
        patience = max(round(self.end_timeout * NS_PER_SECOND), self._chunk_ns * 3 // 2)
        silent = now - max(heard, self.last_arrival)
        # A burst is shown with little delay, so its last frames must be there before its end.
        wait = max(_BREAK, 2 * self._chunk_ns if self._clock.is_piece else 0)
        ends = now > heard - _ENDS and now - self.last_arrival > wait
        if (silent > _PAUSE or ends) and not self._paused:
            self._paused = True
            self._pause()
        if silent <= patience:
            return False
        self.end()
        return True

    def end(self) -> None:
        """End the utterance: flush the clock and the resampler, then close the ring."""
        if self._open and self._clock is not None and self._resampler is not None:
            self._apply(self._clock.flush())
            self.ring.append(self._resampler.flush())
            self.ring.close()
            self._open = False

    def abandon(self) -> None:
        """Discard the utterance at once. The next message starts a new one."""
        self._begin()
        self._open = False

    def _apply(self, actions: list[Append | Silence | Drop | Reset]) -> None:
        assert self._clock is not None and self._resampler is not None
        rate, counters = self._clock.rate, self.counters
        for action in actions:
            if isinstance(action, Reset):
                self._resampler.reset()
                self._begin()
                self._open = True
                counters.utterances += 1
                counters.note = action.reason
            elif isinstance(action, Drop):
                counters.unused += action.count / rate
                counters.note = action.reason
            elif isinstance(action, Silence):
                counters.gaps += action.count / rate
                self.ring.append(self._resampler.push(np.zeros(action.count, np.float32)))
            else:
                counters.sound += len(action.samples) / rate
                self.ring.append(self._resampler.push(action.samples))
