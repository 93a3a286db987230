# SPDX-License-Identifier: Apache-2.0
"""Short hair, combed from a parting on the subject's right: a shell over the skull, and what it hides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.rig import surface as sf
from diffposetalk_ros.motion.rig.mesh import Mesh

Array = NDArray[np.float64]

_COLUMNS = 72
# From the hairline (0) to the whorl at the back of the head (1).
_ROWS = (0.0, 0.012, 0.04, 0.09, 0.15, 0.21, 0.28, 0.36, 0.45, 0.55, 0.66, 0.78, 0.9)
_WHORL = 0.98 * np.pi * 90.0
_CENTRE = np.array([0.0, 8.0, -12.0])
# Hairline: angle around the face in degrees (0: the subject's left, 90: up) and radius in the unrolled plane.
_HAIRLINE = np.array(
    [
        (-90, 236), (-60, 224), (-38, 196), (-22, 166), (-8, 140), (2, 122), (14, 110), (28, 97),
        (40, 83), (52, 70), (64, 60), (76, 54), (88, 52), (100, 55), (110, 60), (117, 67), (124, 70),
        (134, 79), (146, 92), (160, 106), (178, 122), (188, 140), (202, 166), (218, 196), (240, 224),
        (270, 236),
    ],
    float,
)  # fmt: skip
_PARTING = 117.0


def hairline(turn: Array) -> Array:
    """Radius (N,) in the unrolled plane at which the hair begins, for angles (N,) in rad."""
    degrees = (np.degrees(turn) + 90.0) % 360.0 - 90.0
    return np.asarray(np.interp(degrees, *_HAIRLINE.T))


def add_hair(mesh: Mesh) -> None:
    """Append the shell; take away what of the skull lies under it."""
    _uncover(mesh)
    turn = np.arange(_COLUMNS) * 2 * np.pi / _COLUMNS
    first = _smooth(hairline(turn))
    first_face = len(mesh.faces)
    previous = None
    for share in _ROWS:
        radius = first + share * (_WHORL - first)
        plane = radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1)
        skull = sf.roll(plane)
        outward = skull - _CENTRE
        outward /= np.linalg.norm(outward, axis=1, keepdims=True)
        flat = 0.1 + 0.9 * sf.smoothstep(1.0, 1.6, _from_ear(skull))
        row = mesh.add(skull + (flat * _thickness(turn, share))[:, None] * outward, 'hair', turn=turn)
        if previous is not None:
            mesh.band(previous, row, 'hair')
        previous = row
    assert previous is not None
    centre = np.array([mesh.position[i] for i in previous]).mean(axis=0)
    pole = mesh.add((centre + [0.0, 0.0, -1.0])[None], 'hair')[0]
    for i in range(_COLUMNS):
        mesh.triangle(pole, previous[(i + 1) % _COLUMNS], previous[i], 'hair')
    faces = np.array(mesh.faces)
    covered = (_from_ear(np.array(mesh.position)) < 1.1)[faces].all(axis=1)
    mesh.keep(~covered | (np.arange(len(faces)) < first_face))


def strand(turn: Array, share: Array | float) -> Array:
    """Angle (N,) along which a strand keeps its place: combed away from the parting."""
    away = np.sin(0.5 * (turn - np.radians(_PARTING)))
    return np.asarray(turn - 1.6 * np.tanh(6.0 * away) * np.exp(-np.asarray(share) / 0.35))


def _thickness(turn: Array, share: float) -> Array:
    """Height (N,) of the shell over the skull in mm: full above the forehead, flat over ears and nape."""
    degrees = (np.degrees(turn) + 90.0) % 360.0 - 90.0
    up = np.clip(np.sin(turn), 0.0, 1.0)
    fringe = 8.0 * np.exp(-0.5 * ((degrees - 76.0) / 30.0) ** 2) * np.exp(-0.5 * ((share - 0.08) / 0.13) ** 2)
    parting = -3.5 * np.exp(-0.5 * ((degrees - _PARTING) / 5.0) ** 2) * np.exp(-share / 0.3)
    line = strand(turn, share)
    ridges = up * (0.6 * np.sin(9.0 * line) + 0.4 * np.sin(17.0 * line + 1.0))
    full = 3.2 + 5.5 * up**0.7 + fringe + parting + ridges
    edge = np.interp(share, (0.0, 0.012, 0.04, 0.09), (-0.12, 0.32, 0.8, 1.0))
    return np.asarray(edge * full)


def _from_ear(point: Array) -> Array:
    """Distance (N,) from the middle of the nearer ear, 1 at its edge; far away from the sides of the head."""
    x, y, z = point.T
    away = np.hypot((y + 2) / 21, (z + 6 + 0.2 * y) / 16)
    return np.where(np.abs(x) > 55, away, 9.0)


def _smooth(radius: Array) -> Array:
    """Round the corners of the interpolated hairline."""
    for _ in range(2):
        radius = 0.25 * np.roll(radius, 1) + 0.5 * radius + 0.25 * np.roll(radius, -1)
    return radius


def _uncover(mesh: Mesh) -> None:
    """Drop the skull a finger's breadth inside the hairline, as much on either side."""
    position = np.array(mesh.position)
    plane = on_plane(position)
    radius = np.hypot(*plane.T)
    turn = np.arctan2(plane[:, 1], plane[:, 0])
    inside = radius > np.maximum(hairline(turn), hairline(np.pi - turn)) + 14.0
    inside &= np.array(mesh.group) == 'skin'
    mesh.keep(~inside[np.array(mesh.faces)].all(axis=1))


def on_plane(position: Array) -> Array:
    """Place (N, 2) in the unrolled plane of points (N, 3) on the skin, back of the head included."""
    plane = sf.unroll(position[:, :2])
    radius = np.hypot(*plane.T)
    behind = position[:, 2] < 0
    return np.where(
        behind[:, None], plane * ((np.pi * 90.0 - radius) / np.maximum(radius, 1e-9))[:, None], plane
    )
