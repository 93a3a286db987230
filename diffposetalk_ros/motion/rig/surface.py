# SPDX-License-Identifier: Apache-2.0
"""Shape of the head's skin as functions of the position in the front view.

Millimetres; x points to the subject's left, y up, z forward. The origin lies inside the head, 4 mm below the
pupils. The front half is a height field over the front view; all around it the skin closes to an egg.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from diffposetalk_ros.motion.rig.face import Face, Nodes

Array = NDArray[np.float64]

MOUTH_Y = -60.0
EYE_CENTER = np.array([30.0, 4.0, 50.6])
EYE_RADIUS = 21.0
LID_RADIUS = 22.3
HINGE = np.array([0.0, -25.0, 3.7])
NECK_PIVOT = np.array([0.0, -94.0, -18.0])
TOP, BOTTOM = 106.0, 102.0
_BACK = 94.0
_UNROLL = 90.0


def smoothstep(low: float, high: float, x: Array) -> Array:
    """0 below ``low``, 1 above ``high``, smooth between."""
    u = np.clip((x - low) / (high - low), 0.0, 1.0)
    return np.asarray(u * u * (3.0 - 2.0 * u))


def bump(x: Array, y: Array, cx: float, cy: float, sx: float, sy: float) -> Array:
    """Gaussian hill of height 1 at (cx, cy)."""
    return np.asarray(np.exp(-0.5 * (((x - cx) / sx) ** 2 + ((y - cy) / sy) ** 2)))


def curve(nodes: Nodes, x: Array) -> Array:
    """Value (N,) at x (N,) of the smooth curve through the nodes, without overshoot; constant beyond them."""
    return np.asarray(_interpolator(nodes)(np.clip(x, nodes[0][0], nodes[-1][0])))


@lru_cache(maxsize=64)
def _interpolator(nodes: Nodes) -> PchipInterpolator:
    return PchipInterpolator(*np.array(nodes).T)


def mouth_line(x: Array) -> Array:
    """Height y (N,) of the line where the lips meet: level, with a slight dip in the middle."""
    return np.asarray(
        MOUTH_Y - 0.5 * np.exp(-0.5 * (x / 5.0) ** 2) + 0.9 * np.minimum(np.abs(x) / 23.0, 1.2) ** 2.5
    )


def _height(y: Array) -> Array:
    return np.where(y > 0, TOP, BOTTOM)


def unroll(face: Face, xy: Array) -> Array:
    """Front positions (N, 2) to the plane in which the skin is triangulated (N, 2)."""
    width = curve(face.outline, xy[:, 1])
    direction = np.stack([xy[:, 0] / width, xy[:, 1] / _height(xy[:, 1])], 1)
    sine = np.linalg.norm(direction, axis=1, keepdims=True)
    angle = np.arcsin(np.clip(sine, 0, 1))
    return np.asarray(direction / np.maximum(sine, 1e-9) * angle * _UNROLL)


def roll(face: Face, plane: Array) -> Array:
    """Points of the unrolled plane (N, 2) to the skin (N, 3); radius 0 is the face, 90 pi the nape."""
    radius = np.linalg.norm(plane, axis=1)
    angle = radius / _UNROLL
    unit = plane / np.maximum(radius, 1e-9)[:, None] * np.sin(angle)[:, None]
    y = unit[:, 1] * _height(unit[:, 1])
    x = unit[:, 0] * curve(face.outline, y)
    # Behind the jaw the skin draws in to the neck.
    x = x * (1 - 0.45 * smoothstep(-25, -70, y) * smoothstep(0.0, 0.5, -np.cos(angle)))
    front = front_skin(face, np.stack([x, y], 1))
    back = -_BACK * np.sqrt(np.clip(1 - (unit**2).sum(1), 0, 1)) * (1 - 0.55 * smoothstep(10, -80, y))
    return np.stack([x, y, np.where(np.cos(angle) > 0, front, back)], 1)


def on_plane(face: Face, position: Array) -> Array:
    """Place (N, 2) in the unrolled plane of points (N, 3) on the skin, back of the head included."""
    plane = unroll(face, position[:, :2])
    radius = np.hypot(*plane.T)
    behind = position[:, 2] < 0
    return np.where(
        behind[:, None], plane * ((np.pi * _UNROLL - radius) / np.maximum(radius, 1e-9))[:, None], plane
    )


def side_skin(face: Face, y: Array, z: Array) -> Array:
    """Half breadth x (N,) of the head at height y and depth z of the ears."""
    room = 1 - (np.minimum(z, 0) / _BACK) ** 2 - (y / _height(y)) ** 2
    return np.asarray(curve(face.outline, y) * np.sqrt(np.clip(room, 0, 1)))


def front_skin(face: Face, xy: Array) -> Array:
    """Depth z (N,) of the skin at front positions (N, 2), with nose, sockets, cheeks and lips."""
    x, y = xy[:, 0], xy[:, 1]
    side = np.abs(x)
    share = np.clip(y / _height(y), -1, 1)
    # Along the midline the curve runs over the angle, so that it meets the silhouette upright.
    heights, depths = np.array(face.profile)[::-1].T
    angles = np.arcsin(np.clip(heights / _height(heights), -1, 1))
    midline = curve(tuple(zip(angles.tolist(), depths.tolist(), strict=True)), np.arcsin(share))
    across = (x / curve(face.outline, y)) ** 2
    egg = 1 - across - share**2
    section = np.clip(egg / np.maximum(1 - share**2, 1e-9), 0, 1) ** curve(face.flatness, y)
    return np.asarray(midline * section + smoothstep(0.0, 0.2, egg) * _features(face, side, y))


def _features(face: Face, side: Array, y: Array) -> Array:
    """Depth of features above or below the plain egg shape, in mm."""
    x = side
    broad = face.nose_width * (6.5 + 2.3 * smoothstep(6, -28, y))
    bridge = curve(face.nose[::-1], y) * np.exp(-((x / broad) ** 2))
    bridge += 2.4 * bump(x, y, 0, -28.5, 5.2 * face.nose_width, 5.0)
    wing = 7.2 * face.wing * bump(side, y, 11.4 * face.nose_width, -31.5, 3.1 * face.nose_width, 4.2)
    nostril = -4.0 * bump(side, y, 6.4 * face.nose_width, -36.0, 2.4, 1.5)
    root = -4.0 * bump(side, y, 17, 6, 6, 9)
    socket = -5.5 * bump(side, y, 27, 5, 12, 8) - 2.0 * bump(side, y, 30, -12, 12, 6)
    ridge = 2.6 * bump(side, y, 27, 27, 16, 5.5)
    cheek = face.cheek * bump(side, y, 40, -24, 14, 12) - 2.0 * bump(side, y, 44, -56, 10, 14)
    muzzle = 5.0 * bump(x, y, 0, MOUTH_Y, 20, 15)
    philtrum = -1.3 * bump(x, y, 0, MOUTH_Y + 13, 2.2, 5) + 0.6 * bump(side, y, 5, MOUTH_Y + 12, 1.8, 5)
    corner = -1.6 * bump(side, y, 26, MOUTH_Y, 4, 5)
    return np.asarray(bridge + wing + nostril + root + socket + ridge + cheek + muzzle + philtrum + corner)
