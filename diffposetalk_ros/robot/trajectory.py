# SPDX-License-Identifier: Apache-2.0
"""A joint trajectory, interpolated as by joint_trajectory_controller of ROS 2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ['Trajectory']

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trajectory:
    """Points at ``time`` (T,) s: ``position``, ``velocity``, ``acceleration`` (T, J); the last two may be
    empty (0, J)."""

    time: Floats
    position: Floats
    velocity: Floats
    acceleration: Floats

    def at(self, moment: float) -> Floats:
        """Positions (J,): linear, cubic or quintic depending on the data; held before and after."""
        k = int(np.searchsorted(self.time, moment, side='right'))
        if k == 0:
            return np.asarray(self.position[0])
        if k == len(self.time):
            return np.asarray(self.position[-1])
        h = self.time[k] - self.time[k - 1]
        s = (moment - self.time[k - 1]) / h
        p0, p1 = self.position[k - 1], self.position[k]
        if not len(self.velocity):
            return np.asarray(p0 + s * (p1 - p0))
        v0, v1 = self.velocity[k - 1] * h, self.velocity[k] * h
        if not len(self.acceleration):
            d = p1 - p0
            return np.asarray(p0 + s * (v0 + s * (3 * d - 2 * v0 - v1 + s * (v0 + v1 - 2 * d))))
        a0, a1 = self.acceleration[k - 1] * h * h, self.acceleration[k] * h * h
        d = p1 - p0
        c3 = 10 * d - 6 * v0 - 4 * v1 - 1.5 * a0 + 0.5 * a1
        c4 = -15 * d + 8 * v0 + 7 * v1 + 1.5 * a0 - a1
        c5 = 6 * d - 3 * (v0 + v1) + 0.5 * (a1 - a0)
        return np.asarray(p0 + s * (v0 + s * (a0 / 2 + s * (c3 + s * (c4 + s * c5)))))
