# SPDX-License-Identifier: Apache-2.0
"""Nods of a listener: when the speaker pauses, and now and then in between.

voice     ====1.2 s====.....=========== 8 s ===========....
nods                    ^^^            ^^                ^     one to three each, and smaller each time
"""

from __future__ import annotations

from typing import Final

import numpy as np

__all__ = ['ListenerNods']

_ENOUGH: Final = 0.7
"""Seconds of speech before anybody nods to it (Ward and Tsukahara 2000)."""
_APART: Final = 1.5
"""Seconds from the end of one nod to the next, at least."""
_AT_PAUSE: Final = 0.7
"""Share of pauses at which the listener nods."""
_INTERVAL: Final = 5.0
"""Seconds of uninterrupted speech between two nods, on average, beyond ``_APART``."""
_MOST: Final = 3
"""Nods in a row."""
_PERIOD: Final = 0.45
"""Seconds of one nod, down and up."""
_SMALLER: Final = 0.6
"""Depth of a nod relative to the one before."""
_FORGET: Final = 0.5
"""After a longer time without a call, such as the listener's own speech, the voice counts as new."""


class ListenerNods:
    """Nods as a function of time and of whether a person speaks. Times are in seconds. If they
    go back because the clock was set, listening starts again.

    ``seed`` chooses which pauses get nods, and how many.
    """

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng([seed, 0x6E6F64])
        self._last = 0.0
        self._heard_since: float | None = None
        self._next = 0.0
        self._start, self._end, self._depth = 0.0, 0.0, 0.0

    def at(self, seconds: float, voice: bool, depth: float) -> float:
        """Pitch of the head, rad, positive downwards. ``depth``: that of the first nod if a row begins now, rad."""
        if seconds < self._last:  # the clock was set back
            self._heard_since, self._end = None, 0.0
        elif seconds - self._last > _FORGET:
            self._heard_since = None
        self._last = seconds
        if voice and self._heard_since is None:
            self._heard_since = seconds
            self._next = seconds + _APART + self._rng.exponential(_INTERVAL)
        elif voice and seconds >= self._next:
            self._begin(seconds, depth)
        elif not voice and self._heard_since is not None:
            if seconds - self._heard_since >= _ENOUGH and self._rng.random() < _AT_PAUSE:
                self._begin(seconds, depth)
            self._heard_since = None
        return self._pitch(seconds)

    def _begin(self, seconds: float, depth: float) -> None:
        """Begin to nod, unless the last nod was only just now."""
        if self._end and seconds < self._end + _APART:
            return
        self._start, self._depth = seconds, depth
        self._end = seconds + _PERIOD * int(self._rng.integers(1, _MOST + 1))
        self._next = self._end + _APART + self._rng.exponential(_INTERVAL)

    def _pitch(self, seconds: float) -> float:
        if not self._start <= seconds < self._end:
            return 0.0
        nod, part = divmod((seconds - self._start) / _PERIOD, 1.0)
        # Position and velocity are 0 where a nod begins and ends.
        return float(self._depth * _SMALLER**nod * np.sin(np.pi * part) ** 2)
