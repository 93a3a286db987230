# SPDX-License-Identifier: Apache-2.0
"""The clock that determines when the moments of one utterance are shown and heard. Imports no ROS.

sound of frame   |---- 0 ----|---- 1 ----|---- 2 ----|
due                    0           1           2           each at the middle of its sound
"""

from __future__ import annotations

from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['PresentationClock']

_STEP = 20_000_000
"""Smaller corrections (ns) follow the drift of the sender's clock."""


class PresentationClock:
    """Determines when a moment of the utterance is presented, for face, sound and look-ahead alike.

    A moment ``m`` (ns after sample 0) is presented at ``origin + delay + shift + set_forward + m``. All times are
    integers in ns.

    Args:
        epoch: number of the utterance.
        origin: when sample 0 sounded, or is to sound, on the receiver's clock.
        delay: time from a sound to its face; see `StartDelay`.
        fps: frames per second. A frame shows the face in the middle of its 1 / fps, as in training and in files.

    The clock can be stopped while due data is missing; face, sound and look-ahead then wait together. It is stopped
    at moment 0 until `run`, because neither face nor sound may begin without the other. Each stop increases
    ``shift`` by its duration. ``set_forward``: by how much the receiver's clock was set forward meanwhile.
    """

    def __init__(self, epoch: int, origin: int, delay: int = 0, fps: float = 25.0) -> None:
        self.epoch, self.origin, self.delay = epoch, origin, delay
        self.shift = self.set_forward = 0
        self._fps = fps
        self._standing: int | None = 0

    @property
    def standing(self) -> bool:
        """Whether it waits for `run`."""
        return self._standing is not None

    @property
    def start(self) -> int:
        """When moment 0 is presented, as far as is known."""
        return self.origin + self.delay + self.shift + self.set_forward

    def moment(self, now: int) -> int:
        """Moment presented at ``now``, in ns after sample 0; negative before the beginning."""
        moment = now - self.start
        return moment if self._standing is None else min(moment, self._standing)

    def time_of(self, moment: int) -> int:
        """When ``moment`` is presented, as far as is known. If the clock is stopped, it will be later."""
        return self.start + moment

    def lateness(self, now: int) -> int:
        """How much ``shift`` would increase if the clock resumed at ``now``."""
        return 0 if self._standing is None else max(0, now - self.time_of(self._standing))

    def set_origin(self, origin: int, now: int) -> None:
        """Correct ``origin``. If it turns out to be earlier by a step, nothing is skipped: what is presented from
        ``now`` on, or was to be presented by now, is late by as much."""
        before, step = max(0, now - self.start), self.origin - origin
        self.origin = origin
        if step > _STEP:
            self.shift += max(0, now - self.start - before)

    def stand(self, moment: int) -> None:
        """Stop at ``moment``. Nothing after it may have been presented."""
        self._standing = moment

    def run(self, now: int, largest: int) -> int:
        """Resume at ``now``. ``shift`` increases by the duration of the stop, up to ``largest``.

        Returns the part of the utterance that this skips because ``largest`` is reached.
        """
        late = self.lateness(now)
        grown = min(late, max(0, largest - self.shift))
        self.shift += grown
        self._standing = None
        return late - grown

    def position(self, now: int) -> float:
        """Number of the frame due at ``now``, with fraction; -0.5 at the beginning of the sound."""
        # Multiply first, so that the exact time of a frame gives a whole number.
        return self.moment(now) * self._fps / NS_PER_SECOND - 0.5

    def time_of_frame(self, frame: int) -> int:
        """Inverse of `position` for a whole frame."""
        return self.time_of(round((frame + 0.5) / self._fps * NS_PER_SECOND))
