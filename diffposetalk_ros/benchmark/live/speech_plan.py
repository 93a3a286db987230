# SPDX-License-Identifier: Apache-2.0
"""A plan of speech and pauses for benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from diffposetalk_ros.errors import ConfigError

__all__ = ['Stretch', 'plan_speech']

_SPEECH = (1.5, 15.0)
_PAUSE = (0.2, 6.0)
_LAST_PAUSE = 3.0
_GRID = 0.02


@dataclass(frozen=True)
class Stretch:
    """Seconds from the start, in whole messages of 20 ms.

    In 'silence' messages continue, as from a microphone; in 'nothing' no message comes, as between two
    sentences of a synthesiser. ``offset``: where in the looped recording speech begins.
    """

    kind: Literal['speech', 'silence', 'nothing']
    begin: float
    duration: float
    offset: float = 0.0


def plan_speech(seconds: float, seed: int) -> list[Stretch]:
    """Speech of 1.5 to 15 s between pauses of 0.2 to 6 s of either kind, ``seconds`` in all.

    It ends with three seconds of nothing. The same seed gives the same plan. Raises ConfigError for
    less than six seconds.
    """
    if seconds < 6:
        raise ConfigError(f'{seconds:g} s are too short to measure; use at least 6 s')
    rng = np.random.default_rng(seed)
    out: list[Stretch] = []
    now = said = 0.0
    end = _on_grid(seconds - _LAST_PAUSE)
    while now < end:
        duration = min(_on_grid(rng.uniform(*_SPEECH)), end - now)
        out.append(Stretch('speech', now, duration, said))
        now, said = now + duration, said + duration
        pause = min(_on_grid(rng.uniform(*_PAUSE)), end - now)
        kind: Literal['silence', 'nothing'] = 'silence' if rng.random() < 0.5 else 'nothing'
        if pause > 0:
            out.append(Stretch(kind, now, pause))
            now += pause
    out.append(Stretch('nothing', end, _LAST_PAUSE))
    return out


def _on_grid(seconds: float) -> float:
    return round(seconds / _GRID) * _GRID
