# SPDX-License-Identifier: Apache-2.0
"""Factors on the plain colours of the head's parts: blush, static shadows, strands of hair, irises.

They are computed once from the neutral mesh, so both renderers and RViz show the same head at no cost per frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.rig import FACES, PARTS, Face, Rig
from diffposetalk_ros.motion.rig import surface as sf
from diffposetalk_ros.motion.rig.hair import from_ear, hairline, strands
from diffposetalk_ros.motion.rig.pieces import IRIS

__all__ = ['corner_tint']

Floats = NDArray[np.float32]
Array = NDArray[np.float64]

# Shadows on skin are reddish.
_SKIN_SHADOW = np.array([0.75, 1.05, 1.15])


def corner_tint(rig: Rig) -> Floats:
    """Factor (F, 3, 3), 0 to 1, on the linear colour of each face's corners."""
    face = FACES[rig.face]
    points = rig.neutral.astype(np.float64)
    grey = np.ones((len(points), 3))
    tints = {
        'skin': _skin(rig, face, points) * _lip_border(rig),
        'lids': _skin(rig, face, points),
        'lips': _lips(rig, points),
        'brows': _brows(points),
        'sclera': _sclera(points),
        'iris': _iris(points),
        'hair': _hair(face, points),
        'shirt': _shirt(points),
        'teeth': _teeth(points) * _depth(points),
    }
    tints |= {'mouth': _depth(points), 'tongue': np.sqrt(_depth(points))}
    out = np.empty((len(rig.faces), 3, 3))
    for index, name in enumerate(PARTS):
        chosen = rig.part == index
        out[chosen] = tints.get(name, grey)[rig.faces[chosen]]
    return np.asarray(np.clip(out, 0, 1), np.float32)


def _skin(rig: Rig, face: Face, points: Array) -> Array:
    """Rosy cheeks, nose and ears; shade in sockets and nostrils, under nose, lip, jaw and hair."""
    x, y, z = points.T
    side = np.abs(x)
    surface = sf.front_skin(face, points[:, :2])
    front = (z > 15) & (np.abs(z - surface) < 9)
    wide = face.nose_width
    ear = np.zeros(len(points), bool)
    ear[rig.masks['ears']] = True
    rosy = front * 0.75 * sf.bump(side, y, 42, -28, 14, 11)
    rosy += front * 0.5 * sf.bump(x, y, 0, -29, 9, 6) + 0.4 * ear
    shade = 0.10 * front * sf.bump(side, y, 29, 13, 15, 5)
    shade += 0.14 * front * sf.bump(side, y, 13.5, 8, 4, 9)
    # Crease of the upper lid.
    eye = np.hypot((side - 30.9) / 19.6, (y - 4.0) / 7.8)
    shade += 0.30 * front * (y > 5) * np.exp(-0.5 * ((eye - 1.0) / 0.09) ** 2)
    # Edge of the lower lid.
    eye = np.hypot((side - 30.9) / 18.4, (y - 4.0) / 4.15)
    shade += 0.30 * front * (y < 4) * np.exp(-0.5 * ((eye - 1.0) / 0.07) ** 2)
    # Nostrils, the furrow around the wings, the shadow of the tip.
    shade += 0.80 * front * sf.bump(side, y, 6.6 * wide, -35.4, 1.9 * wide, 1.0)
    shade += 0.06 * front * sf.bump(side, y, 15.4 * wide, -32.5, 1.4, 3.2)
    shade += 0.10 * front * sf.bump(x, y, 0, -39, 8 * wide, 2.4)
    # Philtrum, corners of the mouth, the hollow under the lower lip.
    shade += 0.09 * front * sf.bump(x, y, 0, sf.MOUTH_Y + 13, 1.8, 5)
    shade += 0.34 * front * sf.bump(side, y, 25.2, sf.MOUTH_Y, 2.4, 2.2)
    shade += 0.13 * front * sf.bump(x, y, 0, sf.MOUTH_Y - 12.0, 12, 2.6)
    # The jaw's shadow on the neck and on its own underside.
    neck = sf.smoothstep(-50, -66, y) * sf.smoothstep(52, 43, np.hypot(x, z + 20))
    shade += neck * (0.42 * sf.smoothstep(-138, -98, y) + 0.06)
    shade += 0.36 * ear * sf.smoothstep(1.0, 0.2, from_ear(points)) * (side < sf.curve(face.outline, y) + 6)
    plane = sf.on_plane(face, points)
    inside = np.hypot(*plane.T) - hairline(face, np.arctan2(plane[:, 1], plane[:, 0]))
    shade += 0.30 * sf.smoothstep(-9, 2, inside) * (y > -60) * ~ear
    light = (1 - 0.9 * np.clip(shade, 0, 0.95))[:, None] ** _SKIN_SHADOW
    return np.asarray(light * (1 - np.clip(rosy, 0, 1)[:, None] * [0.02, 0.20, 0.18]))


def _lip_border(rig: Rig) -> Array:
    """The skin takes half of the lips' red where it meets them."""
    tint = np.ones((len(rig.neutral), 3))
    tint[rig.masks['lips']] = [0.97, 0.86, 0.85]
    return tint


def _lips(rig: Rig, points: Array) -> Array:
    """Dark where the lips meet, so that a closed mouth appears as a line; the upper lip is in shade."""
    x, y, _ = points.T
    away = y - sf.mouth_line(x)
    lips = np.zeros(len(points), bool)
    lips[rig.masks['lips']] = True
    inner = np.where(lips, np.exp(-0.5 * (away / 0.9) ** 2), 1.0)
    upper = 0.12 * sf.smoothstep(0.5, 2.0, away)
    return np.asarray((1 - upper)[:, None] * (1 - inner[:, None] * [0.5, 0.58, 0.56]))


def _brows(points: Array) -> Array:
    """Lighter towards the outer end."""
    share = sf.smoothstep(46, 14, np.abs(points[:, 0]))
    return np.asarray((0.72 + 0.28 * share)[:, None] * np.ones(3))


def _eye(points: Array) -> tuple[Array, Array]:
    """Angle (V,) in rad from the axis of the nearer eye, and height (V,) on it, -1 to 1."""
    sign = np.where(points[:, 0] < 0, -1.0, 1.0)[:, None] * [1, 0, 0] + [0, 1, 1]
    arm = points - sign * sf.EYE_CENTER
    return np.arctan2(np.hypot(arm[:, 0], arm[:, 1]), arm[:, 2]), arm[:, 1] / sf.EYE_RADIUS


def _sclera(points: Array) -> Array:
    """The upper lid's shadow, and a little pink at the rim."""
    angle, height = _eye(points)
    shadow = 0.12 + 0.3 * sf.smoothstep(0.0, 0.34, height)
    pink = 0.25 * sf.smoothstep(0.85, 1.15, angle)
    return np.asarray((1 - shadow)[:, None] * (1 - pink[:, None] * [0.1, 0.5, 0.5]))


def _iris(points: Array) -> Array:
    """Dark rim, dark top under the lid, bright crescent below."""
    angle, height = _eye(points)
    edge = np.radians(IRIS)
    rim = 0.6 * sf.smoothstep(0.82 * edge, edge, angle)
    light = 0.68 - 1.1 * height
    return np.asarray(((1 - rim) * np.clip(light, 0.3, 1.0))[:, None] * np.ones(3))


def _hair(face: Face, points: Array) -> Array:
    """Strands in the direction of combing, darker in the furrows and towards the nape."""
    light = 0.80 + 0.2 * strands(face, points)
    nape = 0.25 * sf.smoothstep(10, -60, points[:, 1])
    return np.asarray((light * (1 - nape))[:, None] * np.ones(3))


def _shirt(points: Array) -> Array:
    """Dark at the collar's inside, and a seam below the collar."""
    _, y, _ = points.T
    seam = 0.2 * np.exp(-0.5 * ((y + 148.0) / 2.5) ** 2)
    return np.asarray((1 - seam)[:, None] * np.ones(3))


def _teeth(points: Array) -> Array:
    """The arch darkens to the sides."""
    side = np.abs(points[:, 0])
    return np.asarray((1 - 0.75 * sf.smoothstep(7, 20, side))[:, None] * np.ones(3))


def _depth(points: Array) -> Array:
    """Dark inside the mouth."""
    return np.asarray(np.clip((points[:, 2:] - 46.0) / 28.0, 0.16, 1.0) * np.ones(3))
