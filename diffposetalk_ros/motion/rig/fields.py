# SPDX-License-Identifier: Apache-2.0
"""Displacement of every vertex (mm) under each ARKit channel at weight 1, in ARKit order.

Apple describes each channel in words (ARFaceAnchor.BlendShapeLocation); the amounts are our choice.
Fields of channels that keep the lips closed are smooth in space, so that both lips move as one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES
from diffposetalk_ros.motion.rig import surface as sf
from diffposetalk_ros.motion.rig.eye_fields import eye_fields
from diffposetalk_ros.motion.rig.mesh import Mesh

Array = NDArray[np.float64]

_JAW_ANGLE = 0.37
_CORNER = 0.4
_CLOSE_UPPER = 0.4


@dataclass(frozen=True)
class Field:
    """Data of all vertices for the channels: position, position around the mouth, weights.

    ``upward`` is +1 above the middle of the lips, -1 below, 0 at the corners; ``reach`` is 1 on the
    outermost mouth ring; ``muscle`` is the soft mask around the mouth, ``skin`` all that deforms.
    """

    x: Array
    y: Array
    z: Array
    upward: Array
    reach: Array
    muscle: Array
    skin: Array
    jaw: Array

    def near(self, x: float, y: float, sx: float, sy: float) -> Array:
        """Hill (V,) over the front of the face around a point."""
        return self.skin * sf.smoothstep(-5, 25, self.z) * sf.bump(self.x, self.y, x, y, sx, sy)

    def half(self, side: float) -> Array:
        """1 on one side of the face (+1: the subject's left), 0 on the other, soft at the middle."""
        return sf.smoothstep(-9.0, 9.0, side * self.x)


def displacements(mesh: Mesh) -> Array:
    """All fields (52, V, 3)."""
    position = np.array(mesh.position)
    field = _field(mesh, position)
    shapes = _jaw(mesh, field, position) | _mouth(field) | _face(field, mesh)
    for side, name in ((1.0, 'Left'), (-1.0, 'Right')):
        shapes |= {f'{key}{name}': value for key, value in _sided_mouth(field, side).items()}
        shapes |= {f'{key}{name}': value for key, value in _sided_face(field, side).items()}
        for key, value in eye_fields(mesh, position, side).items():
            full = f'{key}{name}'
            shapes[full] = shapes.get(full, 0.0) + value
    return np.stack([shapes[name] for name in ARKIT_BLENDSHAPES])


def _field(mesh: Mesh, position: Array) -> Field:
    x, y, z = position.T
    group = np.array(mesh.group)
    ringed = (np.array(mesh.ring) >= 0) & ((group == 'skin') | (group == 'bag'))
    dy = y - sf.mouth_line(x)
    upward = np.where(ringed, np.round(np.sin(mesh.turn), 9), np.sin(np.arctan2(1.8 * dy, np.abs(x) + 1e-9)))
    reach = np.hypot(x / 37.0, dy / np.where(dy > 0, 16.5, 20.5))
    bag, skin = group == 'bag', np.isin(group, ('skin', 'lid', 'brow')).astype(float)
    depth = z - sf.front_skin(mesh.face, np.array([[0.0, sf.MOUTH_Y]]))[0]
    inside = np.where(bag, sf.smoothstep(-26, -9, depth), 0.0)
    front = sf.smoothstep(0.0, 30.0, z)
    muscle = np.where(bag, inside, skin * front * (1 - sf.smoothstep(0.62, 1.9, reach)))

    open_share = np.abs(upward) ** 0.8
    lips = np.where(upward < 0, _CORNER + (1 - _CORNER) * open_share, _CORNER * (1 - open_share))
    smooth = sf.smoothstep(0.8, -0.75, upward)
    blend = np.where(bag, 0.0, sf.smoothstep(0.8, 1.7, reach))
    bone = sf.smoothstep(-30, 12, z) * skin * ((1 - blend) * lips + blend * smooth)
    jaw = np.where(bag, lips, bone)
    jaw = np.where(np.isin(group, ('teeth_lower', 'tongue')), 1.0, jaw)
    return Field(x, y, z, upward, reach, muscle, skin, jaw)


def _move(weight: Array, x: Array | float = 0.0, y: Array | float = 0.0, z: Array | float = 0.0) -> Array:
    """Displacement (V, 3) of a mask (V,) along x, y, z (mm)."""
    return np.stack([weight * x, weight * y, weight * z], axis=1)


def _jaw(mesh: Mesh, f: Field, position: Array) -> dict[str, Array]:
    cos, sin = np.cos(_JAW_ANGLE) - 1, np.sin(_JAW_ANGLE)
    arm = position - sf.HINGE
    swing = f.jaw[:, None] * np.stack(
        [0 * f.x, arm[:, 1] * cos - arm[:, 2] * sin, arm[:, 1] * sin + arm[:, 2] * cos], 1
    )
    swing += _move(f.muscle, x=-0.1 * f.x)
    # Inner lips are paired by angle: mouthClose brings both to the same position, however far the jaw is open.
    ring = np.flatnonzero((np.array(mesh.ring) == 0) & (np.array(mesh.group) == 'skin'))
    partner = ring[(-np.arange(len(ring))) % len(ring)]
    gap = swing[partner] - swing[ring]
    upper = np.flatnonzero(f.upward[ring] > -1e-9)
    height = f.upward[ring[upper]]
    order = upper[np.argsort(height)]
    closing = np.stack([np.interp(np.abs(f.upward), np.sort(height), gap[order, a]) for a in range(3)], 1)
    closing[:, 0] = 0.0
    share = np.where(f.upward > 0, _CLOSE_UPPER, np.where(f.upward < 0, _CLOSE_UPPER - 1, 0.0))
    close = (share * f.muscle)[:, None] * closing
    close[ring] = np.where(f.upward[ring] > 0, _CLOSE_UPPER, 1 - _CLOSE_UPPER)[:, None] * gap
    return {
        'jawOpen': swing,
        'mouthClose': close,
        'jawForward': _move(f.jaw, z=6.0),
        'jawLeft': _move(f.jaw, x=8.0),
        'jawRight': _move(f.jaw, x=-8.0),
    }


def _mouth(f: Field) -> dict[str, Array]:
    upper, lower = np.clip(f.upward, 0, 1) ** 0.8, np.clip(-f.upward, 0, 1) ** 0.8
    lip = f.muscle * (1 - sf.smoothstep(0.5, 1.05, f.reach))
    line = sf.mouth_line(f.x) - f.y
    centre = np.exp(-0.5 * (f.x / 17.0) ** 2)
    rise = f.near(0, sf.MOUTH_Y + 4, 17, 11)
    return {
        'mouthFunnel': _move(f.muscle, x=-0.27 * f.x, z=7.5 * centre, y=4.5 * upper - 5.5 * lower),
        'mouthPucker': _move(f.muscle, x=-0.42 * f.x, z=8.5 * centre, y=0.12 * -line),
        'mouthLeft': _move(f.muscle, x=10.0, z=-0.06 * f.x),
        'mouthRight': _move(f.muscle, x=-10.0, z=0.06 * f.x),
        'mouthRollLower': _move(lip * (f.upward < 0), y=0.75 * line, z=-4.5 * lower),
        'mouthRollUpper': _move(lip * (f.upward > 0), y=0.75 * line, z=-4.5 * upper),
        'mouthShrugLower': _move(f.near(0, sf.MOUTH_Y - 27, 17, 12), y=5.5, z=2.0)
        + _move(rise, y=3.0, z=1.5),
        'mouthShrugUpper': _move(rise, y=3.5, z=2.5),
        'cheekPuff': _move(f.near(42, -54, 15, 15), x=7.0, z=7.0)
        + _move(f.near(-42, -54, 15, 15), x=-7.0, z=7.0)
        + _move(f.muscle, z=1.5 * centre),
    }


def _sided_mouth(f: Field, side: float) -> dict[str, Array]:
    upper, lower = np.clip(f.upward, 0, 1) ** 0.8, np.clip(-f.upward, 0, 1) ** 0.8
    half = f.half(side)
    inside = np.where(f.skin > 0, 0.0, f.muscle * sf.bump(f.x, f.y, 23.5 * side, sf.MOUTH_Y, 12, 12))
    corner = f.near(23.5 * side, sf.MOUTH_Y + 1, 12, 11) + inside
    tight = f.near(26.0 * side, sf.MOUTH_Y + 1, 8, 8) + inside**2
    lip = f.muscle * (1 - sf.smoothstep(0.5, 1.05, f.reach)) * half
    line = sf.mouth_line(f.x) - f.y
    cheek = f.near(37 * side, -29, 12, 11)
    wide = f.near(24.0 * side, sf.MOUTH_Y + 1, 14, 12) + inside
    # The fold from the wing of the nose past the corner of the mouth: full on the cheek's side, hollow beside it.
    across = ((side * f.x - 14) * 0.74 + (f.y + 36) * 0.67) / 4.0
    along = ((side * f.x - 14) * 0.67 - (f.y + 36) * 0.74) / 26.0
    stays = sf.smoothstep(-0.1, 0.35, along) * (1 - sf.smoothstep(0.75, 1.15, along))
    fold = f.skin * (f.z > 20) * stays * across * np.exp(0.5 - 0.5 * across**2)
    fold *= sf.smoothstep(1.0, 1.3, f.reach) * (side * f.x > 0)
    return {
        'mouthSmile': _move(wide, x=6.5 * side, y=8.0, z=-3.5)
        + _move(cheek, y=4.0, z=2.5)
        + _move(fold, z=3.8),
        'mouthFrown': _move(corner, x=1.0 * side, y=-9.0, z=-1.0),
        'mouthDimple': _move(tight, x=6.0 * side, y=1.5, z=-6.0),
        'mouthStretch': _move(corner, x=9.5 * side, y=-3.0, z=-4.0),
        'mouthPress': _move(lip, y=0.5 * line, z=-1.8) + _move(tight, x=2.0 * side, y=1.0, z=-2.0),
        'mouthLowerDown': _move(f.muscle * half * lower, x=0.8 * side, y=-8.0, z=-0.5),
        'mouthUpperUp': _move(f.muscle * half * upper, x=0.6 * side, y=7.0, z=0.5)
        + _move(f.near(15 * side, sf.MOUTH_Y + 15, 9, 6), y=2.5, z=1.0),
    }


def _face(f: Field, mesh: Mesh) -> dict[str, Array]:
    above = sf.smoothstep(9, 20, f.y)
    tongue = np.array(mesh.group) == 'tongue'
    lower, upper = np.clip(-f.upward, 0, 1), np.clip(f.upward, 0, 1)
    slack = _move(f.muscle * np.exp(-0.5 * (f.x / 13) ** 2), y=4.0 * upper - 6.0 * lower, z=1.0)
    tip = tongue * sf.smoothstep(-14.0, 0.0, f.z - f.z[tongue].max())
    front = tongue * (1 - 0.6 * sf.smoothstep(58, 34, f.z))
    return {
        'browInnerUp': _move(above * f.near(0, 27, 19, 15), y=11.5),
        'tongueOut': slack + _move(front, y=6.0 - 9.0 * tip, z=38.0),
    }


def _sided_face(f: Field, side: float) -> dict[str, Array]:
    above = sf.smoothstep(8, 18, f.y)
    return {
        'browDown': _move(above * f.near(20 * side, 26, 15, 11), x=-2.5 * side, y=-6.0, z=1.5),
        'browOuterUp': _move(above * f.near(40 * side, 27, 13, 14), y=8.0),
        'cheekSquint': _move(f.near(34 * side, -21, 13, 10), y=5.5, z=3.5),
        'noseSneer': _move(f.near(10 * side, -31, 7, 9), x=1.0 * side, y=5.0, z=0.5)
        + _move(f.near(14 * side, -45, 8, 6), y=3.0, z=1.0)
        + _move(f.near(7 * side, 9, 6, 8), y=1.5, z=1.0),
    }
