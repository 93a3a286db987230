# SPDX-License-Identifier: Apache-2.0
"""What the plain colours of the head's parts are multiplied with: blush, shadows that stay, strands, irises.

All from the neutral mesh, once; so both renderers and RViz show the same head at no cost per frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.rig import PARTS, Rig
from diffposetalk_ros.motion.rig import surface as sf
from diffposetalk_ros.motion.rig.hair import hairline, on_plane, strand

__all__ = ['corner_tint']

Floats = NDArray[np.float32]
Array = NDArray[np.float64]

# A shadow on skin keeps more of the red.
_SKIN_SHADOW = np.array([0.75, 1.05, 1.15])


def corner_tint(rig: Rig) -> Floats:
    """Factor (F, 3, 3), 0 to 1, on the linear colour of each face's corners."""
    points = rig.neutral.astype(np.float64)
    grey = np.ones((len(points), 3))
    tints = {
        'skin': _skin(points) * _lip_border(rig),
        'lids': _skin(points),
        'lips': _lips(rig, points),
        'brows': _brows(points),
        'sclera': _sclera(points),
        'iris': _iris(points),
        'hair': _hair(points),
        'shirt': _shirt(points),
    }
    tints |= {name: _depth(points) for name in ('mouth', 'teeth', 'tongue')}
    out = np.empty((len(rig.faces), 3, 3))
    for index, name in enumerate(PARTS):
        chosen = rig.part == index
        out[chosen] = tints.get(name, grey)[rig.faces[chosen]]
    return np.asarray(np.clip(out, 0, 1), np.float32)


def _skin(points: Array) -> Array:
    """Rosy cheeks, nose and ears; shade in the sockets, under nose, lip and jaw, and under the hair."""
    x, y, z = points.T
    side = np.abs(x)
    front = z > 20
    rosy = front * sf.bump(side, y, 41, -22, 14, 11)
    rosy += 0.6 * (z > 80) * sf.bump(x, y, 0, -17, 9, 8) + 0.5 * sf.smoothstep(76, 82, side)
    shade = 0.16 * front * sf.bump(side, y, 29, 6, 17, 12)
    shade += 0.12 * front * sf.bump(side, y, 12, 9, 5, 10)
    shade += 0.22 * front * sf.bump(side, y, 5, -29, 7, 3.5)
    shade += 0.10 * front * sf.bump(x, y, 0, -66, 13, 4)
    shade += 0.34 * sf.smoothstep(62, 30, z) * sf.smoothstep(-62, -92, y) * sf.smoothstep(-150, -95, y)
    plane = on_plane(points)
    inside = np.hypot(*plane.T) - hairline(np.arctan2(plane[:, 1], plane[:, 0]))
    shade += 0.4 * sf.smoothstep(-13, 3, inside) * (y > -60)
    light = (1 - 0.9 * np.clip(shade, 0, 0.8))[:, None] ** _SKIN_SHADOW
    return np.asarray(light * (1 - np.clip(rosy, 0, 1)[:, None] * [0.02, 0.22, 0.20]))


def _lip_border(rig: Rig) -> Array:
    """The skin takes half of the lips' red where it meets them."""
    tint = np.ones((len(rig.neutral), 3))
    tint[rig.masks['lips']] = [0.97, 0.82, 0.82]
    return tint


def _lips(rig: Rig, points: Array) -> Array:
    """Dark where the lips meet, so that a closed mouth reads as a line."""
    x, y, _ = points.T
    away = np.abs(y - sf.mouth_line(x))
    lips = np.zeros(len(points), bool)
    lips[rig.masks['lips']] = True
    inner = np.where(lips, np.exp(-0.5 * (away / 0.9) ** 2), 1.0)
    return np.asarray(1 - inner[:, None] * [0.42, 0.5, 0.5])


def _brows(points: Array) -> Array:
    """Lighter towards the outer end."""
    share = sf.smoothstep(46, 14, np.abs(points[:, 0]))
    return np.asarray((0.72 + 0.28 * share)[:, None] * np.ones(3))


def _eye(points: Array) -> tuple[Array, Array]:
    """Angle (V,) in rad from the axis of the nearer eye, and height (V,) on it, -1 to 1."""
    arm = (
        points
        - np.stack([np.sign(points[:, 0]), 1 + 0 * points[:, 0], 1 + 0 * points[:, 0]], 1) * sf.EYE_CENTER
    )
    return np.arctan2(np.hypot(arm[:, 0], arm[:, 1]), arm[:, 2]), arm[:, 1] / sf.EYE_RADIUS


def _sclera(points: Array) -> Array:
    """The upper lid's shadow, and a little pink at the rim."""
    angle, height = _eye(points)
    shadow = 0.3 * sf.smoothstep(0.2, 0.6, height)
    pink = 0.25 * sf.smoothstep(0.55, 1.0, angle)
    return np.asarray((1 - shadow)[:, None] * (1 - pink[:, None] * [0.1, 0.5, 0.5]))


def _iris(points: Array) -> Array:
    """Dark rim, dark top under the lid, bright crescent below."""
    angle, height = _eye(points)
    rim = 0.6 * sf.smoothstep(0.44, 0.53, angle)
    light = 0.62 - 0.9 * height
    return np.asarray(((1 - rim) * np.clip(light, 0.3, 1.0))[:, None] * np.ones(3))


def _hair(points: Array) -> Array:
    """Strands as they are combed."""
    plane = on_plane(points)
    turn, radius = np.arctan2(plane[:, 1], plane[:, 0]), np.hypot(*plane.T)
    first = hairline(turn)
    line = strand(turn, (radius - first) / (np.pi * 90 - first))
    light = 0.78 + 0.1 * np.sin(9 * line) + 0.08 * np.sin(17 * line + 1.0) + 0.06 * np.sin(23 * line + 2.0)
    return np.asarray(light[:, None] * np.ones(3))


def _shirt(points: Array) -> Array:
    """Dark at the collar's inside."""
    x, y, z = points.T
    return np.asarray((0.75 + 0.25 * sf.smoothstep(-140, -150, y))[:, None] * np.ones(3))


def _depth(points: Array) -> Array:
    """Dark inside the mouth."""
    return np.asarray(np.clip((points[:, 2:] - 44.0) / 26.0, 0.2, 1.0) * np.ones(3))
