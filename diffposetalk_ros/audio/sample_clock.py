# SPDX-License-Identifier: Apache-2.0
"""Converts message stamps to a gapless count of samples, and the count back to time.

Samples are counted. Stamps only reveal gaps and slowly correct the line that maps samples to time:

    stamp
      |            .·'   <- chunk within tolerance: append, pull the line gently
      |         .·'  x   <- burst (speech synthesis faster than real time): append, leave the line
      |   x  .·'         <- gap up to max_gap: silence goes in; longer: new utterance
      |   .·'
      +------------------ samples

This is a pure state machine: chunks and times go in, actions come out. Times are integers in nanoseconds.
"""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.audio.resampler import check_rate
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = [
    'DUPLICATE', 'SENTENCE', 'TOO_LATE', 'Append', 'ClockAction', 'ClockConfig', 'Drop', 'Reset', 'SampleClock',
    'Silence',
]  # fmt: skip

DUPLICATE = 'duplicate'
"""Why a `Drop` leaves out a message that came before."""
TOO_LATE = 'too late'
"""Why a `Drop` leaves out a message that came after what follows it."""


@dataclass(frozen=True)
class Append:
    """Add these samples to the stream."""

    samples: NDArray[np.float32]


@dataclass(frozen=True)
class Silence:
    """Add ``count`` zero samples: that much audio was lost on the way."""

    count: int


@dataclass(frozen=True)
class Drop:
    """``count`` samples of the chunk were not used; ``reason`` says why."""

    count: int
    reason: str


@dataclass(frozen=True)
class Reset:
    """A new utterance begins: discard the buffered samples. ``reason`` says why ('' for the first, and
    after a pause)."""

    reason: str


ClockAction = Append | Silence | Drop | Reset

SENTENCE = NS_PER_SECOND // 2
"""A message of this length (ns) or more may be a whole sentence. No known live source sends such long messages."""

_WORD = NS_PER_SECOND // 10
"""A message shorter than this (ns) is a piece of a stream, not a word."""

_OVERTAKEN = 3 * NS_PER_SECOND // 20
"""A longer gap (ns) before a chunk, also longer than one and a half chunks, is not due to chunks out of order."""

_LONG = NS_PER_SECOND
"""A gap before a chunk longer than this (ns) is a pause, not a lost chunk."""


@dataclass(frozen=True)
class ClockConfig:
    """Limits, in seconds.

    ``tolerance``: allowed noise of the stamps (or half a chunk, if longer). ``arrival_tolerance``: the
    same for messages without a stamp, whose time of arrival is used. ``max_gap``: gaps longer than this,
    and than one and a half chunks of up to a second, start a new utterance; not before so much time has passed since
    the sound before. ``max_jump``: stamps or a clock set
    back by more start a new utterance. ``max_offset``: stamps farther from the receiver's clock are not used.
    ``reorder``: largest number of chunks, shorter than `SENTENCE`, held back to wait for an earlier one, which
    would have to fit into the gap before them. ``time_constant``: of the drift correction. ``max_ahead``: a
    backlog of early audio beyond this starts a new utterance.
    """

    tolerance: float = 0.015
    arrival_tolerance: float = 0.200
    max_gap: float = 0.6
    max_jump: float = 1.0
    max_offset: float = 5.0
    reorder: int = 1
    time_constant: float = 10.0
    max_ahead: float = 600.0


@dataclass
class _Chunk:
    """``place``: sample of the stream at which it begins, once that is known."""

    stamp: int
    samples: NDArray[np.float32]
    trusted: bool
    place: int | None = None


class SampleClock:
    """Sample index <-> time of one audio source at ``rate`` Hz.

    ``observe`` takes each message in the order of arrival; ``time_of`` gives the time at which a
    sample sounded (or should sound). Not thread-safe; it is used only in the audio callback.
    """

    def __init__(self, rate: int, config: ClockConfig | None = None) -> None:
        self.rate = check_rate(rate)
        self.config = config or ClockConfig()
        self._length_before: int | None = None
        self._piece = True
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next chunk starts a new utterance."""
        self._count = 0
        self._anchor: int | None = None
        self._held: list[_Chunk] = []
        self._recent: deque[tuple[int, int]] = deque(maxlen=32)
        self._tail = np.zeros(0, np.float32)
        self._last_now: int | None = None
        self._last_stamp = 0
        self._stamped = False
        self._chunk_offset = 0
        self._lead = 0

    @property
    def chunk_offset_ns(self) -> int:
        """Where the last message begins, in ns after sample 0."""
        return self._chunk_offset

    @property
    def samples(self) -> int:
        """Samples of this utterance so far, silence included."""
        return self._count

    @property
    def started(self) -> bool:
        """True once a chunk has fixed the time of sample 0."""
        return self._anchor is not None

    @property
    def is_piece(self) -> bool:
        """Whether the last message was a piece of a stream and not a word or a sentence: it was very short, or about
        as long as the one before."""
        return self._piece

    @property
    def holds_back(self) -> bool:
        """Whether a chunk waits for an earlier one."""
        return bool(self._held)

    @property
    def origin(self) -> int | None:
        """Time of sample 0 of this utterance in ns, None before the first chunk."""
        return self._anchor

    def time_of(self, seconds: float) -> int:
        """Time in ns of the place ``seconds`` after sample 0. Only after the first chunk."""
        assert self._anchor is not None, 'no chunk yet'
        return self._anchor + round(seconds * NS_PER_SECOND)

    def move(self, step: int) -> None:
        """Correct the estimate of the sender's clock: the whole utterance is ``step`` ns later."""
        if self._anchor is None or not self._stamped:
            return
        self._anchor += step
        self._last_stamp += step
        for held in self._held:
            held.stamp += step

    def at_rate(self, rate: int) -> SampleClock:
        """A clock that goes on with this utterance at another ``rate``. Chunks kept back must be flushed before."""
        clock = SampleClock(rate, self.config)
        clock._length_before, clock._piece = self._length_before, self._piece
        clock._count = round(self._count * rate / self.rate)
        clock._anchor, clock._lead, clock._stamped = self._anchor, self._lead, self._stamped
        clock._recent, clock._last_now, clock._last_stamp = self._recent, self._last_now, self._last_stamp
        return clock

    def observe(self, stamp: int, samples: NDArray[np.float32], now: int) -> list[ClockAction]:
        """Take one message.

        Args:
            stamp: time of its first sample in ns; 0 if the sender gave none.
            samples: (n,) mono audio at ``rate``.
            now: the receiver's clock at arrival, ns.

        Returns:
            What to do with the stream, in order. `Reset` also restarts the count at 0.
        """
        if not len(samples):
            return []
        actions: list[ClockAction] = []
        config = self.config
        if self._last_now is not None and now < self._last_now - config.max_jump * NS_PER_SECOND:
            self._restart(actions, 'the clock jumped backwards', stamps_hold=False)
        self._last_now = now
        trusted = stamp > 0 and abs(stamp - now) <= config.max_offset * NS_PER_SECOND
        if trusted:
            # Some synthesisers give all chunks of a sentence the same stamp, so only equal content is a duplicate.
            identity = (stamp, zlib.crc32(np.ascontiguousarray(samples).tobytes()))
            if identity in self._recent and np.ptp(samples):  # silence equals any other silence
                return [*actions, Drop(len(samples), DUPLICATE)]
            self._recent.append(identity)
        # A chunk without a stamp is assumed to have just been recorded.
        length = self._length(samples)
        self._note_length(length)
        chunk = _Chunk(stamp if trusted else now - length, samples, trusted)
        self._take(chunk, actions)
        self._release(actions, keep=config.reorder)
        if chunk.place is None:  # it waits for an earlier one
            self._chunk_offset = max(0, chunk.stamp - (self._anchor or 0))
        else:
            self._chunk_offset = chunk.place * NS_PER_SECOND // self.rate
        return actions

    def _note_length(self, length: int) -> None:
        self._piece = self.tells_piece(length)
        self._length_before = length

    def tells_piece(self, length: int) -> bool:
        """What `is_piece` will be after a message of ``length`` ns."""
        before = self._length_before
        alike = before is None or 4 * abs(length - before) <= before
        return length < _WORD or (alike and length < SENTENCE)

    def flush(self) -> list[ClockAction]:
        """End of utterance or time-out: release chunks kept back for reordering."""
        actions: list[ClockAction] = []
        self._release(actions, keep=0)
        return actions

    def _take(self, chunk: _Chunk, actions: list[ClockAction]) -> None:
        if self._anchor is None:
            if not actions:
                actions.append(Reset(''))
            self._begin(chunk)
        error = self._error(chunk)
        tolerance = self._tolerance(chunk)
        # An earlier chunk is about as long. What comes after a pause waits for none: its lips would be late.
        length = self._length(chunk.samples)
        fits = self._piece and length <= error + tolerance and error <= max(1.5 * length, _OVERTAKEN)
        if chunk.trusted and self.config.reorder and fits and tolerance < error <= self._longest_gap(chunk):
            self._held.append(chunk)
            self._held.sort(key=lambda held: held.stamp)
            return
        while self._held and self._held[0].stamp < chunk.stamp:
            self._accept(self._held.pop(0), actions)
        self._accept(chunk, actions)

    def _release(self, actions: list[ClockAction], keep: int) -> None:
        # A held chunk follows without a gap once its predecessor has arrived, regardless of the limit.
        while self._held and (len(self._held) > keep or self._follows(self._held[0])):
            self._accept(self._held.pop(0), actions)

    def _follows(self, chunk: _Chunk) -> bool:
        return self._anchor is not None and self._error(chunk) <= self._tolerance(chunk)

    def _accept(self, chunk: _Chunk, actions: list[ClockAction]) -> None:
        error, tolerance, samples = self._error(chunk), self._tolerance(chunk), chunk.samples
        if error > self._longest_gap(chunk) or -error > self.config.max_ahead * NS_PER_SECOND:
            reason = '' if error > 0 else f'{-error / NS_PER_SECOND:.0f} s ahead of time'
            self._restart(actions, reason, stamps_hold=True)
            self._begin(chunk)
        elif error > tolerance:
            count = round(error * self.rate / NS_PER_SECOND)
            self._append(np.zeros(count, np.float32))
            actions.append(Silence(count))
        elif error < -self.config.tolerance * NS_PER_SECOND:
            if chunk.trusted and chunk.stamp < self._last_stamp and self._should_be_over(chunk):
                if self._last_stamp - chunk.stamp > self.config.max_jump * NS_PER_SECOND:
                    self._restart(actions, 'stamps jumped backwards', stamps_hold=False)
                    self._begin(chunk)
                else:
                    actions.append(Drop(len(samples), TOO_LATE))
                    return
            else:
                # Audio sent before its time: a burst, or a sentence that comes while the one before is still to be
                # heard, unless it repeats what was already sent.
                known = self._repeated(samples, round(-error * self.rate / NS_PER_SECOND))
                if known:
                    actions.append(Drop(known, 'overlap'))
                    samples = samples[known:]
        else:
            self._discipline(error, len(samples))
        if chunk.trusted:
            self._last_stamp = max(self._last_stamp, chunk.stamp)
        # Face and sound agree where this is also the place in the stream, not only what the stamp says.
        chunk.place = max(0, self._count - (len(chunk.samples) - len(samples)))
        if len(samples):
            self._append(samples)
            actions.append(Append(samples))

    def _error(self, chunk: _Chunk) -> int:
        """How much later than the sample count says the chunk is, in ns."""
        assert self._anchor is not None
        lead = 0
        if not chunk.trusted:
            # A live message is sent when its sound is over, so all of them are late by as much as the first. A whole
            # sentence may be sent while the one before it is still heard. It and what follows it may begin at once.
            length = self._length(chunk.samples)
            lead = self._lead if max(self._lead, length) < SENTENCE else length
        stamp = chunk.stamp + lead
        return stamp - self._anchor - self._count * NS_PER_SECOND // self.rate

    def _should_be_over(self, chunk: _Chunk) -> bool:
        """Whether the chunk was to be heard before it arrived, by its stamp."""
        return self._last_now is not None and chunk.stamp + self._length(chunk.samples) <= self._last_now

    def _tolerance(self, chunk: _Chunk) -> int:
        config = self.config
        base = config.tolerance if chunk.trusted else config.arrival_tolerance
        # Half a chunk, but no more than 0.1 s: a long chunk must not hide that much lost audio.
        return int(max(base, min(0.5 * len(chunk.samples) / self.rate, 0.1)) * NS_PER_SECOND)

    def _longest_gap(self, chunk: _Chunk) -> float:
        """Longest gap (ns) before ``chunk`` that is filled with silence."""
        assert self._last_now is not None
        length = self._length(chunk.samples)
        # Until the sound before is over, its last frames are still to be generated, and there is time for silence.
        ahead = max(0, chunk.stamp - self._last_now) if chunk.trusted else 0
        return max(self.config.max_gap * NS_PER_SECOND + ahead, 1.5 * length if length <= _LONG else 0.0)

    def _discipline(self, error: int, count: int) -> None:
        assert self._anchor is not None
        gain = min(1.0, count / self.rate / self.config.time_constant)
        self._anchor += round(gain * error)

    def _repeated(self, samples: NDArray[np.float32], overlap: int) -> int:
        """Length of the start of ``samples`` that equals the stream's end, near ``overlap``."""
        slack = round(self.config.tolerance * self.rate)
        longest = min(overlap + slack, len(samples), len(self._tail))
        for length in range(longest, max(0, overlap - slack - 1), -1):
            head = samples[:length]
            # All silence is equal, so it does not prove a duplicate.
            if head[0] == self._tail[-length] and np.array_equal(head, self._tail[-length:]) and np.ptp(head):
                return length
        return 0

    def _append(self, samples: NDArray[np.float32]) -> None:
        self._count += len(samples)
        keep = self.rate // 2
        self._tail = np.concatenate([self._tail, samples[-keep:]])[-keep:]

    def _begin(self, chunk: _Chunk) -> None:
        # Without a stamp the utterance begins when its first message arrives, because it may be synthesised.
        self._lead = 0 if chunk.trusted else self._length(chunk.samples)
        self._anchor = chunk.stamp + self._lead
        self._stamped, self._last_stamp = chunk.trusted, chunk.stamp if chunk.trusted else 0

    def _length(self, samples: NDArray[np.float32]) -> int:
        return len(samples) * NS_PER_SECOND // self.rate

    def _restart(self, actions: list[ClockAction], reason: str, stamps_hold: bool) -> None:
        """Begin a new utterance. ``stamps_hold``: later stamps come from the same clock as earlier ones, so chunks
        that were kept back still follow, and duplicates are still recognised."""
        held, recent, last = self._held, self._recent, self._last_now
        self.reset()
        self._last_now = last
        if stamps_hold:
            self._held, self._recent = held, recent
        actions.append(Reset(reason))
