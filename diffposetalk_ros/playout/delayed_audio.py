# SPDX-License-Identifier: Apache-2.0
"""Sound that is delayed until the matching face is shown. Imports no ROS."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from diffposetalk_ros.playout.presentation_clock import PresentationClock

__all__ = ['AudioPiece', 'DelayedAudio']

_MAX_PIECES = 60_000
"""Ten minutes ahead of time in messages of 10 ms."""
_STALE = 500_000_000
"""Sound that is late by more (ns) is left out, as the frames of that time are by `FrameSchedule`."""


@dataclass(frozen=True)
class AudioPiece:
    """The sound of one message: it begins ``place`` after sample 0 of its utterance and is ``length`` long, in ns.

    ``quiet``: it is quiet enough to be skipped. ``message``: the message with the sound; None if it is not played.
    """

    place: int
    length: int
    quiet: bool = False
    message: Any = None


class DelayedAudio:
    """Pieces in the order of their utterances. Each is returned when its moment is presented.

    Not thread-safe; times in ns. ``stale``: ns of sound that were skipped because they were too late.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[PresentationClock, AudioPiece]] = deque()
        self._heard: tuple[PresentationClock | None, int, bool] = (None, 0, True)
        self._end = 0
        self.stale = 0

    def add(self, clock: PresentationClock, piece: AudioPiece) -> None:
        """Add a ``piece`` of the utterance that ``clock`` presents."""
        if len(self._waiting) == _MAX_PIECES:
            self._leave_out(self._waiting.popleft()[1])
        # Restore the order of messages that overtook each other.
        at = len(self._waiting)
        while at and self._waiting[at - 1][0] is clock and self._waiting[at - 1][1].place > piece.place:
            at -= 1
        self._waiting.insert(at, (clock, piece))

    def quiet_until(self, clock: PresentationClock, moment: int) -> int:
        """End of the silence that begins at ``moment``, as far as is known; ``moment`` if there is none."""
        if self._heard[0] is clock and self._heard[2]:
            moment = max(moment, self._heard[1])
        for owner, piece in self._waiting:
            if owner is not clock or not piece.quiet or piece.place > moment:
                break
            moment = max(moment, piece.place + piece.length)
        return moment

    def in_gap(self, clock: PresentationClock, moment: int) -> bool:
        """Whether nothing sounds at ``moment``, because the sender paused before the sound that waits now."""
        return self.waits_for(clock) and self.heard(clock) <= moment < self._waiting[0][1].place

    def heard(self, clock: PresentationClock) -> int:
        """Moment up to which the utterance of ``clock`` has been returned."""
        return self._heard[1] if self._heard[0] is clock else 0

    def waits_for(self, clock: PresentationClock) -> bool:
        """Whether there is more of the utterance of ``clock``."""
        return bool(self._waiting) and self._waiting[0][0] is clock

    def due(self, now: int) -> list[tuple[int, Any]]:
        """(time, message) of all pieces that are due by ``now``."""
        out = []
        while self._waiting:
            clock, piece = self._waiting[0]
            moment = clock.moment(now)
            if moment < piece.place or (clock.standing and moment == piece.place):
                break
            self._waiting.popleft()
            time = clock.time_of(piece.place)
            self._heard = clock, piece.place + piece.length, piece.quiet
            if now - time > _STALE:
                self._leave_out(piece)
            elif not (piece.quiet and time + piece.length // 2 < self._end):
                # The exception is a pause that is shortened so that the presentation catches up.
                self._end = max(self._end, time) + piece.length
                if piece.message is not None:
                    out.append((time, piece.message))
        return out

    @property
    def next(self) -> int | None:
        """When the first waiting piece is due; None if none waits or the time is not known."""
        if not self._waiting or self._waiting[0][0].standing:
            return None
        clock, piece = self._waiting[0]
        return clock.time_of(piece.place)

    def drop(self, clock: PresentationClock, moment: int) -> None:
        """Drop the pieces of ``clock`` from ``moment`` on, because another utterance begins there."""
        kept = deque[tuple[PresentationClock, AudioPiece]]()
        for owner, piece in self._waiting:
            if owner is clock and piece.place >= moment:
                self._leave_out(piece)
            else:
                kept.append((owner, piece))
        self._waiting = kept

    def clear(self) -> None:
        """Forget all pieces."""
        self._waiting.clear()
        self._end, self._heard = 0, (None, 0, True)

    def _leave_out(self, piece: AudioPiece) -> None:
        if not piece.quiet:
            self.stale += piece.length
