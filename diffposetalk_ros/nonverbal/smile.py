# SPDX-License-Identifier: Apache-2.0
"""Lips that a vowel spreads, shown as a smile, and what a style leaves for the smile beside them.

The articulating network and its teacher, the animator, move the corners of the mouth by ``mouthStretch``. Trackers
score the same movement of people as ``mouthSmile``: its deviation in speech is 0.13, that of the stretch 0.02
(docs/alive.md). A person's smile is therefore the sum of two parts, which are independent of each other.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.nonverbal.traits import Traits

__all__ = ['smile_beside_speech', 'spread_as_smile']

Floats = NDArray[np.float32]


def _pair(name: str) -> tuple[int, int]:
    return arkit_layout().index(f'{name}Left'), arkit_layout().index(f'{name}Right')


_STRETCH, _SMILE, _FROWN = _pair('mouthStretch'), _pair('mouthSmile'), _pair('mouthFrown')
_STRETCH_KEPT: Final = 0.15
"""Share of the articulator's stretch that stays stretch."""
_SMILE_SHARE: Final = 0.94
"""Weight of the smile per weight of the stretch that it replaces."""
_LEAST: Final = 0.3
"""Share of a style's spread and speed that is left at least for the smile beside speech."""


def spread_as_smile(motion: Floats) -> Floats:
    """Motion (F, 55) as it is shown: lips that a vowel spreads are mostly a smile.

    A frown keeps the corners down, so it keeps the stretch.
    """
    out = np.array(motion, np.float32)
    for stretch, frown, smile in zip(_STRETCH, _FROWN, _SMILE, strict=True):
        moved = (1 - _STRETCH_KEPT) * np.maximum(out[:, stretch], 0) * np.clip(1 - 3 * out[:, frown], 0, 1)
        moved = np.minimum(moved, np.maximum(1 - out[:, smile], 0) / _SMILE_SHARE)
        out[:, stretch] -= moved
        out[:, smile] += _SMILE_SHARE * moved
    return out


def smile_beside_speech(traits: Traits, made: ArrayLike, fps: float) -> Traits:
    """Traits of a person whose smile is the part beside `spread_as_smile`, so that the sum is the person's.

    ``made`` (F, 55): what the articulating network makes of this style. Means add, variances add, and so do the mean
    squares of the velocity.
    """
    motion = np.asarray(made, np.float32)
    part = (spread_as_smile(motion) - motion)[:, _SMILE].mean(1)
    velocity = (part[2:] - part[:-2]) * (fps / 2)
    spread = _rest(traits['smile_spread'], float(part.std()))
    speed = _rest(traits['smile_spread'] * traits['smile_pace'], float(np.sqrt((velocity**2).mean())))
    level = max(traits['smile_level'] - float(part.mean()), 0.0)
    beside = traits.replaced('smile_level', level).replaced('smile_spread', spread)
    return beside.replaced('smile_pace', speed / max(spread, 1e-6))


def _rest(whole: float, part: float) -> float:
    """Root mean square of what is left of the sum of two independent parts."""
    return float(np.sqrt(max(whole**2 - part**2, (_LEAST * whole) ** 2)))
