# SPDX-License-Identifier: Apache-2.0
"""Interpolation between two frames by a curve with continuous velocity that does not overshoot.

Linear interpolation between frames at 25 Hz has corners that are visible at 50 Hz and more. Weights follow a monotone
cubic (Fritsch and Carlson 1980, with harmonic means as tangents), so closed lips stay closed and no weight
overshoots. The head follows a Catmull-Rom curve in the tangent space of its first rotation.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.single_rotation import (
    Vector,
    conjugate,
    multiply,
    quaternion_to_vector,
    vector_to_quaternion,
)

__all__ = ['interpolate']

Row = NDArray[np.float64]
_Value = TypeVar('_Value', float, Row)


def interpolate(
    before: Row, first: Row, second: Row, after: Row, part: float, head: slice | None = None
) -> Row:
    """The frame at ``part`` (0 to 1) between ``first`` and ``second``, rows (D,) of consecutive frames.

    ``before`` and ``after`` shape the curve; if they are not known, repeat ``first`` or ``second``.
    ``head``: columns of a rotation vector (rad), interpolated as a rotation.
    """
    if part <= 0:
        return np.array(first)
    if part >= 1:
        return np.array(second)
    came, goes, leaves = first - before, second - first, after - second
    row = _hermite(first, second, _limited(came, goes), _limited(goes, leaves), part)
    if head is not None:
        row[head] = _rotation(before[head], first[head], second[head], after[head], part)
    return row


def _hermite(first: _Value, second: _Value, start: _Value, end: _Value, u: float) -> _Value:
    """Cubic with the given values and slopes (per frame) at both ends."""
    rest = 1 - u
    return (
        first * (1 + 2 * u) * rest**2 + second * (1 + 2 * rest) * u**2 + u * rest * (start * rest - end * u)
    )


def _limited(one: Row, other: Row) -> Row:
    """Slope between two steps: their harmonic mean, 0 where they disagree in sign."""
    product = one * other
    return np.divide(2 * product, one + other, out=np.zeros_like(product), where=product > 0)


def _rotation(before: Row, first: Row, second: Row, after: Row, part: float) -> Vector:
    base = vector_to_quaternion(first.tolist())
    undo = conjugate(base)
    back, ahead, beyond = (
        quaternion_to_vector(multiply(undo, vector_to_quaternion(other.tolist())))
        for other in (before, second, after)
    )
    x, y, z = (
        _hermite(0.0, to, (to - since) / 2, on / 2, part)
        for since, to, on in zip(back, ahead, beyond, strict=True)
    )
    return quaternion_to_vector(multiply(base, vector_to_quaternion((x, y, z))))
