# SPDX-License-Identifier: Apache-2.0
"""Frames that are known before they are due, for players with their own buffer and for motors."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.playout.playout import Playout
from diffposetalk_ros.playout.timeline import MotionTimeline

__all__ = ['FramesAhead', 'Lookahead']

_MOVED = 10_000_000
"""Frames told before are told again when they are due earlier or later by more than this, ns."""
_MOST = 250
"""Frames told at once."""


@dataclass(frozen=True)
class FramesAhead:
    """Frames [first, first + n) of ``epoch``: rows (n, D) float32 in the layout's units.

    Frame k is due at ``due`` (ns) + (k - first) / fps. The first ``committed`` are final. Without rows, it
    invalidates all frames of earlier epochs, and no frames follow yet.
    """

    epoch: int
    first: int
    due: int
    rows: NDArray[np.float32]
    committed: int


class Lookahead:
    """Returns every final frame once, as soon as it is generated, followed by the provisional frames.

    A frame is returned again when it becomes final or when its time changes (speech shown late or early).
    Belongs to the thread that owns ``playout``.
    """

    def __init__(self, timeline: MotionTimeline, playout: Playout) -> None:
        self._timeline = timeline
        self._playout = playout
        self._epoch = timeline.epoch
        self._forget()

    def _forget(self) -> None:
        self._told = 0
        self._revision = -1
        self._start: int | None = None

    def pop(self, now: int) -> FramesAhead | None:
        """Frames that were not returned before, as known at ``now`` (ns), or None. Call until it returns None."""
        clock = self._playout.clock
        known = self._timeline.known(self._told, _MOST)
        if clock is not None and clock.epoch < known.epoch:
            return None  # the last words of one utterance are still to be shown
        if known.epoch != self._epoch:
            self._epoch = known.epoch
            self._forget()
            return FramesAhead(known.epoch, 0, now, self._playout.as_shown(known.motion[:0]), 0)
        if clock is None or clock.epoch != known.epoch:
            return None
        start = clock.time_of_frame(0)
        if self._start is None or abs(start - self._start) > _MOVED:
            self._start, self._revision = start, -1
            self._told = min(self._told, max(0, floor(clock.position(now))))
            known = self._timeline.known(self._told, _MOST)
        if known.revision == self._revision and self._told >= known.end:
            return None
        self._told, self._revision = known.start + known.committed, known.revision
        if not len(known.motion):
            return None
        rows = self._playout.as_shown(known.motion)
        return FramesAhead(known.epoch, known.start, clock.time_of_frame(known.start), rows, known.committed)
