# SPDX-License-Identifier: Apache-2.0
"""Shows the face later than the sound is sent, for a loudspeaker that sounds later. Imports no ROS."""

from __future__ import annotations

from collections import deque

from diffposetalk_ros.playout.playout import PlayoutFrame
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['FaceDelay']


class FaceDelay:
    """Holds frames back by a whole number of them. ``rate``: frames per second; ``seconds``: the delay wanted."""

    def __init__(self, rate: float, seconds: float = 0.0) -> None:
        self._rate = rate
        self._frames: deque[PlayoutFrame] = deque()
        self.set(seconds)

    def set(self, seconds: float) -> None:
        """Change the delay, rounded to whole frames, from the next frame on. May be called on any thread."""
        self._count = round(seconds * self._rate)

    @property
    def time(self) -> int:
        """The delay in ns."""
        return round(self._count * NS_PER_SECOND / self._rate)

    def show(self, frame: PlayoutFrame) -> PlayoutFrame:
        """Take the newest frame and return the one to show now.

        After the delay was made longer, the oldest frame is repeated; after it was made shorter, frames pass at
        twice their speed.
        """
        self._frames.append(frame)
        if len(self._frames) <= self._count:
            return self._frames[0]
        if len(self._frames) > self._count + 1:
            self._frames.popleft()
        return self._frames.popleft()
