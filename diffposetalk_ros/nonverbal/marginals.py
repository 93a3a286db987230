# SPDX-License-Identifier: Apache-2.0
"""Maps normalised nonverbal signals to weights with a realistic marginal distribution.

The network draws brows, squint and smile in spreads about their mean. A weight usually rests near one of its bounds,
0 or 1, and leaves it from time to time. The drawn value is therefore made normal and passed through a soft threshold,
log(1 + exp(x)). Mean and deviation are those of the style, nothing is clipped, and rare movement comes in bursts.
(Skewness over coefficient of variation: here 1.0 to 1.3, people 1.2 to 2.5.) Antagonists inhibit each other: raised
brows reduce lowering and squinting.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.nonverbal.signals import SIGNALS

__all__ = ['Marginals', 'pace_behind']

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

_WEIGHTS: Final = [
    SIGNALS.index(name) for name in ('brow_inner', 'brow_outer', 'brow_down', 'squint', 'smile')
]
_SKEW: Final = 0.36
"""The network draws raises that rest low and rise high: exp(_SKEW n) for a normal n (skewness 1.15), as the
animator's."""
_UNIT: Final = float(np.sqrt(np.exp(_SKEW**2) - 1))
"""Deviation of exp(_SKEW n) over its mean."""
_MIXED: Final = np.array(
    [
        [1.00, 0.00, 0.00, 0.00, 0.00],
        [0.00, 1.00, 0.00, 0.00, 0.00],
        [0.00, -0.50, 0.80, 0.00, 0.00],
        [0.00, -0.30, 0.25, 0.72, 0.20],
        [0.00, 0.00, 0.00, 0.00, 1.00],
    ]
)
"""Correlations of people's brows, squint and smile (docs/alive.md), made from the network's, which are weak."""
_SOFT: Final = 2.5
"""Sharpness of the threshold, 1/deviation."""
_FINEST: Final = 2e-3
"""Smallest deviation of a weight that is asked for; below it the movement is scaled down."""
_LOWEST, _HIGHEST = -3.5, 4.0
"""Normal values are held in this range."""


def _threshold(x: Reals) -> Reals:
    return np.asarray(np.logaddexp(0, _SOFT * x) / _SOFT, np.float64)


def _tables() -> tuple[Reals, Reals, Reals, Reals]:
    """Tables (n,) for thresholds at different positions, sorted by coefficient of variation: that coefficient, the
    position, the mean, and how much faster than a normal signal the movement is."""
    node, share = np.polynomial.hermite_e.hermegauss(80)
    share = share / share.sum()
    place = np.concatenate([np.geomspace(200, 4, 60), np.linspace(3.9, -1.6, 111)])
    value = _threshold(node + place[:, None])
    slope = 1 / (1 + np.exp(-_SOFT * (node + place[:, None])))
    mean = value @ share
    deviation = np.sqrt((value - mean[:, None]) ** 2 @ share)
    return deviation / mean, place, mean, np.sqrt(slope**2 @ share) / deviation


_VARIATION, _PLACE, _MEAN, _FASTER = _tables()


def _targets(level: Floats, spread: Floats) -> tuple[Reals, Reals, NDArray[np.bool_]]:
    """Distance of the mean from the nearer bound, coefficient of variation of that distance, whether it is from 1."""
    level = np.clip(level[_WEIGHTS].astype(np.float64), 0, 1)
    from_one = level > 0.5
    deviation = np.maximum(spread[_WEIGHTS].astype(np.float64), _FINEST)
    # With a mean far below the deviation, the weight would nearly always be 0.
    distance = np.maximum(np.where(from_one, 1 - level, level), deviation / _VARIATION[-1])
    return distance, deviation / distance, from_one


class Marginals:
    """The mapping for a style's ``level`` and ``spread`` (10,)."""

    def __init__(self, level: Floats, spread: Floats) -> None:
        self._level, self._spread = level, spread
        self._distance, variation, self._from_one = _targets(level, spread)
        self._place = np.interp(variation, _VARIATION, _PLACE)
        self._mean = np.interp(variation, _VARIATION, _MEAN)
        self._share = np.minimum(spread[_WEIGHTS] / _FINEST, 1)

    def weights(self, position: Floats) -> Floats:
        """Signals (10,) from the network's output ``position`` (10,) in spreads."""
        out = self._level + self._spread * position
        drawn = position[_WEIGHTS].astype(np.float64)
        normal = (np.log(np.maximum(1 + drawn * _UNIT, 0.02)) + _SKEW**2 / 2) / _SKEW
        normal = _MIXED @ normal.clip(_LOWEST, _HIGHEST)
        value = _threshold(np.where(self._from_one, -normal, normal) + self._place)
        away = self._distance * (1 + self._share * (value / self._mean - 1))
        out[_WEIGHTS] = np.where(self._from_one, 1 - away, away).clip(0, 1)
        return np.asarray(out, np.float32)


def pace_behind(pace: Floats, level: Floats, spread: Floats) -> Floats:
    """Pace (10,) 1/s that the network must draw so that the output of `Marginals` has the style's ``pace`` (10,).

    A weight that moves in bursts moves faster than the underlying signal, which is slightly skewed itself.
    """
    _, variation, _ = _targets(level, spread)
    behind = _SKEW * np.exp(_SKEW**2 / 2) / _UNIT
    out = np.array(pace, np.float32)
    out[_WEIGHTS] *= behind / np.interp(variation, _VARIATION, _FASTER)
    return out
