# SPDX-License-Identifier: Apache-2.0
"""The minimum-jerk curve, along which people move from rest to rest (Flash and Hogan 1985)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ['minimum_jerk']


def minimum_jerk(part: NDArray[Any]) -> NDArray[Any]:
    """Part of the way (...) that is done after ``part`` (...) of the time: 10 t^3 - 15 t^4 + 6 t^5.

    0 before the start (t <= 0), 1 after the end (t >= 1). Speed and acceleration are 0 at both ends. The result has
    the type of ``part``.
    """
    t = np.clip(part, 0, 1)
    way: NDArray[Any] = t**3 * (10 - 15 * t + 6 * t**2)
    return way
