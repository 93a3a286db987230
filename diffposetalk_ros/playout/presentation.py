# SPDX-License-Identifier: Apache-2.0
"""Which frame of the utterance is due, and by how much speech is shown late where it comes late.

sound of frame   |---- 0 ----|---- 1 ----|---- 2 ----|
due                    0           1           2           each at the middle of its sound
"""

from __future__ import annotations

__all__ = ['Presentation']

_NS = 1_000_000_000
_MARGIN = 0.04
"""Kept between what is there and what is shown after a shift, s: the next window may come later."""
_CATCH_UP = 0.1
"""A shift shrinks by so much a second while there is enough ahead: speech up to 10 % faster."""


class Presentation:
    """Frame number <-> time of one utterance, whose sound begins at ``origin`` (ns), plus a shift.

    A frame is the state of the face in the middle of its 1 / fps, as training and motion files have it.

    Whole seconds of speech must not stay unseen because every frame comes a little too late (a sound
    card that stamps early, a network on the way, a machine that is busy): the utterance is then shown
    later, by at most ``max_shift`` s, and catches up when it can.
    """

    def __init__(self, fps: float, max_shift: float) -> None:
        self._fps = fps
        self.max_shift = max_shift
        self.epoch = -1
        self.origin: int | None = None
        self.shift = 0.0
        self._last: int | None = None

    def play(self, epoch: int, origin: int) -> None:
        """The face of ``epoch`` begins at ``origin`` (ns); again when the clock is adjusted."""
        if epoch != self.epoch:
            self.shift = 0.0
        self.epoch, self.origin = epoch, origin

    def stop(self) -> None:
        """Nothing is due until `play`."""
        self.origin, self.shift, self._last = None, 0.0, None

    def position(self, now: int) -> float | None:
        """Frame due at ``now`` (ns), with its fraction, -0.5 at the beginning; None when nothing is to be played."""
        if self.origin is None:
            return None
        if not self.shift:
            # Multiplied first, so that a frame's own time gives a whole number.
            return (now - self.origin) * self._fps / _NS - 0.5
        return ((now - self.origin) / _NS - self.shift) * self._fps - 0.5

    def time_of(self, frame: int) -> int | None:
        """Inverse of `position` for a whole frame: ns."""
        if self.origin is None:
            return None
        return self.origin + round(((frame + 0.5) / self._fps + self.shift) * _NS)

    def delay_until_there(self, now: int, last: int) -> bool:
        """Show speech later, so that the newest of the frames [.., last) are due at ``now``.

        False, with nothing changed, where that would exceed ``max_shift``.
        """
        position = self.position(now)
        if position is None or last < 2:
            return False
        wanted = self.shift + (position - (last - 2)) / self._fps + _MARGIN
        if wanted > self.max_shift:
            return False
        self.shift = max(self.shift, wanted)
        return True

    def catch_up(self, now: int, last: int) -> None:
        """Shrink the shift while frames [.., last) reach far enough ahead of ``now``."""
        before, self._last = self._last, now
        position = self.position(now)
        if not self.shift or before is None or position is None:
            return
        ahead = (last - 1 - position) / self._fps
        if ahead > 2 * _MARGIN:
            self.shift = max(0.0, self.shift - min(now - before, _NS) / _NS * _CATCH_UP)
