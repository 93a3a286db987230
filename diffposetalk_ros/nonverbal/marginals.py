# SPDX-License-Identifier: Apache-2.0
"""From the standing of a signal among its own values to a weight: what the muscles of a face can do, and cannot.

The network draws brows, squint and smile in spreads about their mean. A weight has bounds at 0 and 1 and rests
near one of them: it is given a beta distribution with the level and the spread of the style, so that both arrive
exactly, nothing is cut off at a bound, and a face that moves rarely moves in spells (people: skewness over
coefficient of variation 1.2 to 2.5; a beta distribution near 0 has 2). Antagonists exclude each other: who raises
the brows lowers and squints less.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr

from diffposetalk_ros.nonverbal.signals import SIGNALS

__all__ = ['pace_of_standing', 'weights_of']

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

_WEIGHTS: Final = [SIGNALS.index(name) for name in ('brow_inner', 'brow_outer', 'brow_down', 'squint', 'smile')]
_SKEW: Final = 0.36
"""The network draws raises that rest low and rise high: exp(_SKEW n) for a normal n (skewness 1.15), as the
animator's."""
_UNIT: Final = float(np.sqrt(np.exp(_SKEW**2) - 1))
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
_LOWEST: Final = 0.25
"""Least shape parameter: a weight that is hardly ever there shows at least now and then."""
_NODES, _SHARES = np.polynomial.hermite_e.hermegauss(24)
_SHARES = _SHARES / _SHARES.sum()
_STEP = 1e-3
_FINEST: Final = 2e-3
"""Smallest deviation a distribution is made for; below it the movement is scaled down."""


def _shape(level: Floats, spread: Floats) -> tuple[Reals, Reals]:
    """Parameters of beta distributions with these means and deviations, as near as such distributions come."""
    deviation = np.clip(spread.astype(np.float64), _FINEST, 0.35)
    # A mean far below the deviation would be a weight that is nearly never there.
    mean = np.clip(level.astype(np.float64), 0.6 * deviation, 0.99)
    total = np.maximum(mean * (1 - mean) / deviation**2 - 1, _LOWEST / np.minimum(mean, 1 - mean))
    return mean * total, (1 - mean) * total


def _quantile(normal: Reals, a: Reals, b: Reals) -> Reals:
    return np.asarray(betaincinv(a, b, ndtr(normal)), np.float64)


def weights_of(position: Floats, level: Floats, spread: Floats) -> Floats:
    """Signals (10,) of what the network drew, ``position`` (10,) in spreads, for a style's level and spread (10,)."""
    out = level + spread * position
    drawn = position[_WEIGHTS].astype(np.float64)
    normal = (np.log(np.maximum(1 + drawn * _UNIT, 0.02)) + _SKEW**2 / 2) / _SKEW
    normal = _MIXED @ np.clip(normal, -3.5, 4)
    a, b = _shape(level[_WEIGHTS], spread[_WEIGHTS])
    mean = a / (a + b)
    share = np.minimum(spread[_WEIGHTS] / _FINEST, 1)
    out[_WEIGHTS] = mean + share * (_quantile(normal, a, b) - mean)
    return np.asarray(out, np.float32)


def pace_of_standing(pace: Floats, level: Floats, spread: Floats) -> Floats:
    """Pace (10,) 1/s that the network has to draw, so that `weights_of` moves at the style's ``pace`` (10,).

    A skewed weight moves in spells, faster than the signal behind it.
    """
    a, b = (shape[:, None] for shape in _shape(level[_WEIGHTS], spread[_WEIGHTS]))
    value = _quantile(_NODES, a, b)
    slope = (_quantile(_NODES + _STEP, a, b) - _quantile(_NODES - _STEP, a, b)) / (2 * _STEP)
    mean = (value * _SHARES).sum(1, keepdims=True)
    deviation = np.sqrt((((value - mean) ** 2) * _SHARES).sum(1))
    faster = np.sqrt((slope**2 * _SHARES).sum(1)) / np.maximum(deviation, 1e-9)
    # The drawn signal itself is skewed, and in spreads.
    drawn = _SKEW * np.exp(_SKEW**2 / 2) / _UNIT
    out = np.array(pace, np.float32)
    out[_WEIGHTS] *= np.clip(drawn / np.maximum(faster, 1e-6), 0.4, 1.2)
    return out
