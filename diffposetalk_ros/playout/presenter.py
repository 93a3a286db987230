# SPDX-License-Identifier: Apache-2.0
"""Presentation of utterances: one clock per utterance drives face, sound and look-ahead. Imports no ROS."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffposetalk_ros.playout.delayed_audio import AudioPiece, DelayedAudio
from diffposetalk_ros.playout.lookahead import FramesAhead, Lookahead
from diffposetalk_ros.playout.pacer import Pacer
from diffposetalk_ros.playout.playout import Playout, PlayoutConfig, PlayoutFrame
from diffposetalk_ros.playout.presentation_clock import PresentationClock
from diffposetalk_ros.playout.start_delay import StartDelay
from diffposetalk_ros.playout.timeline import MotionTimeline
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['Presenter', 'PresenterStatus']

_GRID = NS_PER_SECOND // 5
"""Two frames of the lowest output rate."""
_AHEAD = NS_PER_SECOND // 10
"""Frames that reach farther ahead than the delay by more (ns) are of speech that was sent ahead of time."""


@dataclass(frozen=True)
class PresenterStatus:
    """Counts since the start: late frames (``underflows``), utterances that began late (``late_starts``) and seconds
    of sound that were skipped because they were too late (``stale``). ``shift``: the current shift in seconds."""

    underflows: int
    late_starts: int
    stale: float
    shift: float


class Presenter:
    """Presents utterances one after the other. Thread-safe; times are integers in ns, passed in.

    `sample`, `due_audio`, `next_audio` and `look_ahead` belong to the publishing thread, `hear` and
    `interrupt` to the thread that receives sound.

    Args:
        timeline: frames of the utterances.
        playout: converts the frames to faces.
        delay: determines the delay between an utterance and its presentation.
        hop: frames that are generated at once.
        fps: frames per second of the timeline.
    """

    def __init__(
        self, timeline: MotionTimeline, playout: Playout, delay: StartDelay, hop: int, fps: float
    ) -> None:
        self._timeline, self._playout, self._delay, self._fps = timeline, playout, delay, fps
        self._pacer = Pacer(timeline, hop, fps)
        self._lookahead = Lookahead(timeline, playout)
        self._audio = DelayedAudio()
        self._clocks: deque[PresentationClock] = deque()
        self._lock = threading.Lock()
        self._now: int | None = None

    def update(self, config: PlayoutConfig, max_shift: float) -> None:
        """Apply new settings. ``max_shift``: longest time in s for which the presentation waits for late data."""
        with self._lock:
            self._playout.update(config)
            self._pacer.hold, self._pacer.max_shift = (
                round(config.hold * NS_PER_SECOND),
                round(max_shift * NS_PER_SECOND),
            )

    def hear(
        self, epoch: int, origin: int, now: int, received: int, newest: int, piece: AudioPiece | None
    ) -> None:
        """Sound of the utterance ``epoch`` arrived at ``now``.

        ``origin``: current estimate of when its sample 0 sounded. ``received``: length of the sound received so
        far, and ``newest``: of the last message (ns). ``piece``: the last message; None if it is not used.
        """
        with self._lock:
            clock = self._newest
            if clock is None or clock.epoch != epoch:
                self._delay.begin(origin, now)
                clock = PresentationClock(epoch, origin, self._delay.delay, self._fps)
                self._clocks.append(clock)
            clock.set_origin(origin, now)
            self._delay.heard(received, newest)
            if piece is None:
                return
            heard = self._audio.heard(clock)
            if clock is self._on_stage and not piece.quiet and piece.place + piece.length // 2 >= heard:
                self._pacer.sound_is_late(clock, max(piece.place, heard), now)
            self._audio.add(clock, piece)

    def sample(self, due: int) -> PlayoutFrame:
        """The face to show at ``due``."""
        with self._lock:
            self._advance(due)
            return self._playout.sample(due)

    def due_audio(self, now: int) -> list[tuple[int, Any]]:
        """(time, message) of the sound to play by ``now``, in sync with its face."""
        with self._lock:
            self._advance(now)
            return self._audio.due(now)

    @property
    def next_audio(self) -> int | None:
        """When the next sound is due, as far as is known."""
        with self._lock:
            return self._audio.next

    @property
    def waits(self) -> bool:
        """Whether an utterance waits to be presented, or to be continued, until more of it is there."""
        with self._lock:
            return any(clock.standing for clock in self._clocks)

    def look_ahead(self, now: int) -> FramesAhead | None:
        """Frames known at ``now`` that were not returned before; call until None."""
        with self._lock:
            return self._lookahead.pop(now)

    def voided(self, now: int) -> FramesAhead:
        """A `FramesAhead` that invalidates all frames returned so far, for the end of the stream."""
        rows = self._playout.rest[np.newaxis][:0]
        return FramesAhead(self._timeline.epoch + 1, 0, now, rows, 0)

    def played(self, now: int) -> float | None:
        """Seconds of the newest utterance that were presented at ``now``; None when nobody speaks."""
        with self._lock:
            return None if self._newest is None else self._newest.moment(now) / NS_PER_SECOND

    def interrupt(self) -> None:
        """Drop the current utterance and ease the face to rest. The caller also starts a new epoch."""
        with self._lock:
            self._clear()
            self._playout.interrupt()

    def on_clock_jump(self) -> None:
        """The clock jumped, so earlier times are invalid."""
        with self._lock:
            self._clear()
            self._playout.reset()

    def on_clock_forward(self, step: int, now: int) -> None:
        """The clock was set forward by ``step`` to ``now``. Speech that was sent ahead continues where it was,
        because its sound may already be at the loudspeaker. Live sound comes by the new clock."""
        with self._lock:
            for clock in self._clocks:
                position = max(0.0, clock.position(now - step))
                held = self._timeline.at(int(position), provisional=True, epoch=clock.epoch)
                left = round((held.last - position) / self._fps * NS_PER_SECOND)
                if held.epoch == clock.epoch and left > self._delay.longest + _AHEAD:
                    clock.set_forward += step
            self._now = None

    @property
    def status(self) -> PresenterStatus:
        """Counters for diagnostics."""
        with self._lock:
            clock = self._on_stage
            return PresenterStatus(
                self._pacer.underflows,
                self._pacer.late_starts,
                self._audio.stale / NS_PER_SECOND,
                clock.shift / NS_PER_SECOND if clock is not None else 0.0,
            )

    @property
    def _on_stage(self) -> PresentationClock | None:
        return self._clocks[0] if self._clocks else None

    @property
    def _newest(self) -> PresentationClock | None:
        return self._clocks[-1] if self._clocks else None

    def _clear(self) -> None:
        self._clocks.clear()
        self._audio.clear()
        self._pacer.begin()
        self._now = None

    def _advance(self, now: int) -> None:
        """Update the state at ``now``: the delay, the utterance presented, and whether its clock runs."""
        # Frames are requested at their time on the grid, sound at the exact time.
        if self._now is not None and 0 < self._now - now < _GRID:
            now = self._now
        self._now = now
        self._settle_delay(now)
        while len(self._clocks) > 1 and self._makes_room(self._clocks[0], self._clocks[1], now):
            old = self._clocks.popleft()
            self._audio.drop(old, max(0, self._clocks[0].start - old.start))
            self._timeline.forget_before(self._clocks[0].epoch)
            self._pacer.begin()
        clock = self._on_stage
        if clock is not self._playout.clock:
            self._playout.clock = clock
            self._pacer.begin()
        if clock is not None:
            moment = clock.moment(now)
            self._pacer.advance(
                clock, now, self._audio.quiet_until(clock, moment), self._audio.in_gap(clock, moment)
            )

    def _settle_delay(self, now: int) -> None:
        clock = self._newest
        if clock is None or self._delay.settled:
            return
        held = self._timeline.at(0, provisional=True)
        if self._delay.settle(now, held.epoch == clock.epoch and held.first is not None):
            clock.delay = self._delay.delay

    def _makes_room(self, old: PresentationClock, new: PresentationClock, now: int) -> bool:
        """Whether face and sound of ``old`` are over, or ``new`` is due."""
        over = self._pacer.is_over(old, now) and not self._audio.waits_for(old)
        return over or now >= new.start
