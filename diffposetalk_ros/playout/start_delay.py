# SPDX-License-Identifier: Apache-2.0
"""Delay between an utterance and its presentation: fixed, or as short as speech synthesis allows.

    received   |====|====|====|====|====|         burst: sound for 0.5 s in a few milliseconds
    frames     .....|                             the first window is there
    shown      ......|----------------->          least <= delay < longest
    audio_out  ......|----------------->          with the face

A live source needs the whole delay, because its sound arrives only as it is spoken. Sound that arrives ahead of
real time needs less.
"""

from __future__ import annotations

from diffposetalk_ros.audio.sample_clock import SENTENCE

__all__ = ['StartDelay']


class StartDelay:
    """Delay of the current utterance; all times are integers in ns, passed in.

    ``longest``: delay of live sound. ``least``: lowest delay of an utterance that arrives faster than real time.
    Within an utterance the delay can only shrink. It is fixed once the first frame has been shown, so the
    sound is played without interruption.
    """

    def __init__(self, longest: int, least: int) -> None:
        self.longest = longest
        self.least = min(least, longest)
        self.begin(0, 0)

    def begin(self, origin: int, arrived: int) -> None:
        """Begin an utterance whose sample 0 has the time ``origin`` and whose first message ``arrived`` then."""
        # A sender whose clock is ahead sends no burst, so only the rate at which its sound arrives counts.
        self._origin, self._lead_from = origin, min(origin, arrived)
        self._received = self._newest = 0
        self._running = False
        self.delay = self.longest

    @property
    def settled(self) -> bool:
        """Whether the delay is fixed until the next utterance, so that `settle` need not be called."""
        return self._running

    def heard(self, received: int, newest: int) -> None:
        """Note the length (ns) of the sound received so far, ``newest`` of it in the last message."""
        self._received, self._newest = received, newest

    def settle(self, now: int, ready: bool) -> bool:
        """Whether the delay became shorter at ``now``. ``ready``: frame 0 could be shown."""
        elapsed = now - self._origin
        self._running = self._running or elapsed >= self.delay
        if self._running or not ready:
            return False
        # A live source is ahead only by its latest message, and only until the next one.
        newest = self._newest if self._newest < SENTENCE else 0
        lead = self._received - (now - self._lead_from) - newest
        wanted = max(self.least, self.longest - lead, elapsed)
        if wanted >= self.delay:
            return False
        self.delay = wanted
        self._running = elapsed >= wanted
        return True
