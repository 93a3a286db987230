# SPDX-License-Identifier: Apache-2.0
"""Smooth transition from one source of motion to another.

The difference between the last shown frame and the new source fades along a minimum-jerk curve. Each region
of the face has its own duration: lips follow speech at once, while the head needs more time to move naturally.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.layout import MotionLayout
from diffposetalk_ros.motion.minimum_jerk import minimum_jerk
from diffposetalk_ros.motion.rotation import (
    conjugate,
    multiply,
    quaternion_to_vector,
    vector_to_quaternion,
)
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['Transition']

Row = NDArray[np.float64]


class Transition:
    """An offset (D,) that fades; times are integers in ns."""

    def __init__(self, layout: MotionLayout) -> None:
        self._head = layout.head_rotation
        self._offset: Row = np.zeros(layout.width)
        self._seconds: Row = np.zeros(layout.width)
        self._start, self._longest = 0, 0.0

    def begin(self, shown: Row, target: Row, start: int, seconds: Row) -> None:
        """Start at time ``start`` from ``shown`` (D,), the last frame; reach ``target`` within ``seconds`` (D,)."""
        self._offset = shown - target
        if self._head is not None:
            turn = multiply(
                vector_to_quaternion(shown[self._head]),
                conjugate(vector_to_quaternion(target[self._head])),
            )
            self._offset[self._head] = quaternion_to_vector(turn)
        self._start, self._seconds, self._longest = start, seconds, float(seconds.max())

    def weight(self, now: int) -> Row:
        """Remaining part of the offset per column: 1 at the start, 0 at the end and after it."""
        elapsed = (now - self._start) / NS_PER_SECOND
        x = np.ones(len(self._seconds))
        np.divide(elapsed, self._seconds, out=x, where=self._seconds > 0)
        left: Row = 1 - minimum_jerk(x)
        return left

    def apply(self, row: Row, now: int) -> Row:
        """``row`` (D,) of the new source plus the remaining offset."""
        if now - self._start >= self._longest * NS_PER_SECOND:
            return row
        weight = self.weight(now)
        out: Row = row + weight * self._offset
        if self._head is not None:
            turn = vector_to_quaternion(weight[self._head] * self._offset[self._head])
            out[self._head] = quaternion_to_vector(multiply(turn, vector_to_quaternion(row[self._head])))
        return out
