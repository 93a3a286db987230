# SPDX-License-Identifier: Apache-2.0
"""Shape of the head's skin: an egg with features, as functions of the front view position.

Millimetres; x to the subject's left, y up, z forward; the origin lies inside the head, a little
below eye height. All numbers here are free design choices of this head.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOUTH_Y = -47.0
EYE_CENTER = np.array([30.0, 4.0, 56.0])
EYE_RADIUS = 17.0
LID_RADIUS = 18.6
HINGE = np.array([0.0, -12.0, -2.0])
NECK_PIVOT = np.array([0.0, -88.0, -18.0])
_UNROLL = 90.0


def smoothstep(low: float, high: float, x: Array) -> Array:
    """0 below ``low``, 1 above ``high``, smooth between."""
    u = np.clip((x - low) / (high - low), 0.0, 1.0)
    return np.asarray(u * u * (3.0 - 2.0 * u))


def bump(x: Array, y: Array, cx: float, cy: float, sx: float, sy: float) -> Array:
    """Gaussian hill of height 1 at (cx, cy)."""
    return np.asarray(np.exp(-0.5 * (((x - cx) / sx) ** 2 + ((y - cy) / sy) ** 2)))


def mouth_line(x: Array) -> Array:
    """Height y of the line where the lips meet: a faint smile."""
    return np.asarray(MOUTH_Y + 2.8 * np.minimum(np.abs(x) / 24.0, 1.3) ** 2.2)


def _height(y: Array) -> Array:
    return np.where(y > 0, 104.0, 94.0)


def _half_width(y: Array) -> Array:
    """Largest |x| scale of the skin at height y: full at the temples, narrow at the chin."""
    jaw = smoothstep(-2.0, -96.0, y)
    crown = smoothstep(15.0, 96.0, y)
    return np.asarray(75.0 - 6.0 * jaw + 15.0 * crown)


def unroll(xy: Array) -> Array:
    """Front positions (N, 2) to the plane in which the skin is triangulated (N, 2)."""
    direction = np.stack([xy[:, 0] / _half_width(xy[:, 1]), xy[:, 1] / _height(xy[:, 1])], 1)
    sine = np.linalg.norm(direction, axis=1, keepdims=True)
    angle = np.arcsin(np.clip(sine, 0, 1))
    return np.asarray(direction / np.maximum(sine, 1e-9) * angle * _UNROLL)


def roll(plane: Array) -> Array:
    """Points of the unrolled plane (N, 2) to the skin (N, 3); radius 0 is the face, 90 pi the nape."""
    radius = np.linalg.norm(plane, axis=1)
    angle = radius / _UNROLL
    unit = plane / np.maximum(radius, 1e-9)[:, None] * np.sin(angle)[:, None]
    y = unit[:, 1] * _height(unit[:, 1])
    x = unit[:, 0] * _half_width(y)
    front = front_skin(np.stack([x, y], 1))
    back = -92.0 * np.sqrt(np.clip(1 - (unit**2).sum(1), 0, 1)) * (1 - 0.42 * smoothstep(10, -80, y))
    return np.stack([x, y, np.where(np.cos(angle) > 0, front, back)], 1)


def front_skin(xy: Array) -> Array:
    """Depth z (N,) of the skin at front positions (N, 2), with nose, sockets, cheeks and chin."""
    x, y = xy[:, 0], xy[:, 1]
    egg = 1 - (x / _half_width(y)) ** 2 - (y / _height(y)) ** 2
    z = 82.0 * np.clip(egg, 0, 1) ** 0.46
    edge = smoothstep(0.0, 0.25, egg)
    side = np.abs(x)
    nose = 15.5 * bump(x, y, 0, -17, 9.0, 8.5) + 5.5 * bump(side, y, 9.5, -20, 4.2, 4.5)
    ridge = np.exp(-0.5 * (x / 6.0) ** 2) * smoothstep(26, -14, y) * smoothstep(-27, -18, y)
    sockets = -8.5 * bump(side, y, 30, 5, 15, 11) + 3.5 * bump(side, y, 27, 25, 19, 6)
    cheeks = 5.0 * bump(side, y, 37, -21, 13, 12) - 2.5 * bump(side, y, 45, -52, 10, 14)
    muzzle = 5.5 * bump(x, y, 0, MOUTH_Y, 21, 17)
    philtrum = -1.2 * bump(x, y, 0, -34, 2.5, 5)
    chin = 9.0 * bump(x, y, 0, -80, 15, 9) - 3.5 * bump(x, y, 0, -66, 15, 5)
    return np.asarray(z + edge * (nose + 9.0 * ridge + sockets + cheeks + muzzle + philtrum + chin))
