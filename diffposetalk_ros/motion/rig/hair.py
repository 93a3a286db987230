# SPDX-License-Identifier: Apache-2.0
"""Hair: a shell over the skull in combed strands, and removal of the hidden part of the skull."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.rig import surface as sf
from diffposetalk_ros.motion.rig.face import Face
from diffposetalk_ros.motion.rig.mesh import Mesh

Array = NDArray[np.float64]

_COLUMNS = 88
# From the hairline (0) to the whorl at the back of the head (1).
_ROWS = (0.0, 0.012, 0.035, 0.075, 0.13, 0.2, 0.28, 0.37, 0.48, 0.6, 0.74, 0.9)
_WHORL = 0.98 * np.pi * 90.0
_CENTRE = np.array([0.0, 8.0, -12.0])
_BUN = np.array([0.0, 96.0, -62.0])
_BUN_RADIUS = 26.0


def hairline(face: Face, turn: Array) -> Array:
    """Radius (N,) in the unrolled plane at which the hair begins, for angles (N,) in rad."""
    degrees = (np.degrees(turn) + 90.0) % 360.0 - 90.0
    return sf.curve(face.hairline, degrees)


def add_hair(mesh: Mesh) -> None:
    """Append the shell and remove the part of the skull under it."""
    face = mesh.face
    _uncover(mesh)
    turn = np.arange(_COLUMNS) * 2 * np.pi / _COLUMNS
    first = hairline(face, turn)
    previous = None
    for share in _ROWS:
        radius = first + share * (_WHORL - first)
        plane = radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1)
        skull = sf.roll(face, plane)
        outward = skull - _CENTRE
        outward /= np.linalg.norm(outward, axis=1, keepdims=True)
        row = mesh.add(skull + _thickness(face, turn, share, skull)[:, None] * outward, 'hair', turn=turn)
        if previous is not None:
            mesh.band(previous, row, 'hair')
        previous = row
    assert previous is not None
    away = np.linalg.norm(np.array([mesh.position[i] for i in previous]) - skull, axis=1).mean()
    pole = mesh.add(sf.roll(face, np.array([[0.0, np.pi * 90.0]])) - [0.0, 0.0, away], 'hair')[0]
    for i in range(_COLUMNS):
        mesh.triangle(pole, previous[(i + 1) % _COLUMNS], previous[i], 'hair')
    if face.parting is None:
        _bun(mesh)


def strands(face: Face, points: Array) -> Array:
    """Height (N,) of the strands at points (N, 3) on hair or skull, -1 in a furrow to 1 on a lock."""
    if face.parting is None:
        # Combed back to the bun: strands are the meridians around its direction.
        axis = _BUN / np.linalg.norm(_BUN)
        side = np.array([1.0, 0.0, 0.0])
        front = np.cross(side, axis)
        line = np.arctan2(points @ side, -(points @ front))
        return np.asarray(
            0.55 * np.sin(13 * line) + 0.3 * np.sin(29 * line + 1) + 0.15 * np.sin(41 * line + 2)
        )
    plane = sf.on_plane(face, points)
    turn, radius = np.arctan2(plane[:, 1], plane[:, 0]), np.hypot(*plane.T)
    first = hairline(face, turn)
    share = np.clip((radius - first) / (_WHORL - first), 0, 1)
    away = np.sin(0.5 * (turn - np.radians(face.parting)))
    line = turn - 1.6 * np.tanh(6.0 * away) * np.exp(-share / 0.35)
    return np.asarray(0.6 * np.sin(11 * line) + 0.25 * np.sin(19 * line + 1) + 0.15 * np.sin(27 * line + 2))


def _thickness(face: Face, turn: Array, share: float, skull: Array) -> Array:
    """Height (N,) of the shell over the skull in mm: full above the forehead, flat at the nape, sunk under the ears.
    It would show through the hollows of the ears otherwise."""
    degrees = (np.degrees(turn) + 90.0) % 360.0 - 90.0
    up = np.clip(np.sin(turn), 0.0, 1.0)
    edge = np.interp(share, (0.0, 0.012, 0.035, 0.075, 0.13), (0.02, 0.22, 0.52, 0.82, 1.0))
    ear = from_ear(skull)
    flat = 0.1 + 0.22 * sf.smoothstep(0.6, 1.0, ear) + 0.68 * sf.smoothstep(0.9, 1.9, ear)
    sunk = 2.5 * sf.smoothstep(0.55, 0.3, ear / face.ear)
    if face.parting is None:
        return np.asarray(flat * edge * (3.5 + 1.5 * up + 0.5 * strands(face, skull)) - sunk)
    fringe = 8.5 * np.exp(-0.5 * ((degrees - 76.0) / 30.0) ** 2) * np.exp(-0.5 * ((share - 0.1) / 0.13) ** 2)
    parting = -4.0 * np.exp(-0.5 * ((degrees - face.parting) / 5.0) ** 2) * np.exp(-share / 0.3)
    locks = (0.35 + 1.3 * up) * strands(face, skull) * sf.smoothstep(0.0, 0.06, np.array(share))
    return np.asarray(flat * edge * (4.0 + 5.5 * up**0.7 + fringe + parting + locks) - sunk)


def from_ear(point: Array) -> Array:
    """Distance (N,) from the middle of the nearer ear, 1 at its edge; far away from the sides of the head."""
    x, y, z = point.T
    away = np.hypot((y + 8) / 24, (z + 9 + 0.2 * y) / 16)
    return np.where(np.abs(x) > 50, away, 9.0)


def _bun(mesh: Mesh) -> None:
    """A knot of hair on top of the back of the head."""
    axis = _BUN / np.linalg.norm(_BUN)
    side = np.array([1.0, 0.0, 0.0])
    front = np.cross(side, axis)
    count = 20
    turn = np.arange(count) * 2 * np.pi / count
    previous = None
    for degrees in (150.0, 125.0, 100.0, 78.0, 56.0, 36.0, 18.0):
        angle = np.radians(degrees)
        radius = _BUN_RADIUS * (1 + 0.04 * np.sin(7 * turn + 0.05 * degrees))
        around = np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * front
        row = mesh.add(
            _BUN + radius[:, None] * (np.sin(angle) * around + 0.85 * np.cos(angle) * axis), 'hair', turn=turn
        )
        if previous is not None:
            mesh.band(row, previous, 'hair')
        previous = row
    assert previous is not None
    pole = mesh.add((_BUN + 0.85 * _BUN_RADIUS * axis)[None], 'hair')[0]
    for i in range(count):
        mesh.triangle(pole, previous[i], previous[(i + 1) % count], 'hair')


def _uncover(mesh: Mesh) -> None:
    """Drop the skull a finger's breadth inside the hairline, equally on either side, and the part the neck hides."""
    position = np.array(mesh.position)
    plane = sf.on_plane(mesh.face, position)
    radius = np.hypot(*plane.T)
    turn = np.arctan2(plane[:, 1], plane[:, 0])
    line = np.maximum(hairline(mesh.face, turn), hairline(mesh.face, np.pi - turn))
    # Thick hair above the forehead overhangs, so the skull extends further below it there.
    overhang = 2.0 if mesh.face.parting is None else 30.0
    inside = radius > line + 12.0 + overhang * np.clip(np.sin(turn), 0, 1)
    low = (position[:, 1] < -48) & (position[:, 2] < -14)
    inside |= low & (np.hypot(position[:, 0] / 36, (position[:, 2] + 23) / 31) < mesh.face.neck)
    inside &= np.array(mesh.group) == 'skin'
    mesh.keep(~inside[np.array(mesh.faces)].all(axis=1))
