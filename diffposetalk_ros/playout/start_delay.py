# SPDX-License-Identifier: Apache-2.0
"""How long after its sound an utterance is shown: a fixed time, or as soon as speech synthesis allows.

    received   |====|====|====|====|====|         burst: sound for 0.5 s in a few milliseconds
    frames     .....|                             the first window is there
    shown      ......|----------------->          least <= delay < longest
    audio_out  ......|----------------->          with the face

A live source needs the whole delay: sound that is not yet spoken cannot be waited for any less. Sound
that is already there, ahead of the time that has passed, need not be waited for at all.
"""

from __future__ import annotations

from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['StartDelay']

_LONG = NS_PER_SECOND // 2
"""No live source collects so much before it sends (ns): a message as long is synthesised."""


class StartDelay:
    """Delay of one utterance after the other; all times are integers in ns, passed in.

    ``longest``: delay of live sound. ``least``: lowest of an utterance that comes faster than real time.
    Within an utterance the delay can only shrink, and stays as it is once the first frame has been shown:
    sound that follows the face is never torn.
    """

    def __init__(self, longest: int, least: int) -> None:
        self.longest = longest
        self.least = min(least, longest)
        self.begin(0, 0)

    def begin(self, origin: int, arrived: int) -> None:
        """A new utterance, whose sample 0 is of ``origin`` and whose first message ``arrived``."""
        # A sender whose clock runs ahead sends no burst: what counts is how fast its sound arrives.
        self._origin, self._lead_from = origin, min(origin, arrived)
        self._received = self._newest = 0
        self._running = False
        self.delay = self.longest

    @property
    def settled(self) -> bool:
        """Whether the delay stays as it is until the next utterance: no need to call `settle`."""
        return self._running

    def heard(self, received: int, newest: int) -> None:
        """So much sound (ns) is there, ``newest`` of it in the last message."""
        self._received, self._newest = received, newest

    def settle(self, now: int, ready: bool) -> bool:
        """Whether the delay became shorter at ``now``. ``ready``: frame 0 could be shown."""
        elapsed = now - self._origin
        self._running = self._running or elapsed >= self.delay
        if self._running or not ready:
            return False
        # A live source is ahead of time by the message that has just come, and only until the next.
        newest = self._newest if self._newest < _LONG else 0
        lead = self._received - (now - self._lead_from) - newest
        wanted = max(self.least, self.longest - lead, elapsed)
        if wanted >= self.delay:
            return False
        self.delay = wanted
        self._running = elapsed >= wanted
        return True
