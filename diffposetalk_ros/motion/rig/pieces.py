# SPDX-License-Identifier: Apache-2.0
"""Pieces beside the skin: eyeballs, brows, ears, teeth, tongue, neck and shirt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.rig import surface as sf
from diffposetalk_ros.motion.rig.mesh import Mesh

Array = NDArray[np.float64]


def add_pieces(mesh: Mesh) -> None:
    """Append every piece to the mesh."""
    for side in (1.0, -1.0):
        _eyeball(mesh, side)
        _brow(mesh, side)
        _ear(mesh, side)
    _teeth(mesh, 'teeth_upper', sf.MOUTH_Y + 10.0, sf.MOUTH_Y - 0.5)
    _teeth(mesh, 'teeth_lower', sf.MOUTH_Y - 2.0, sf.MOUTH_Y - 10.0)
    _tongue(mesh)
    _neck(mesh)


def _circle(count: int) -> Array:
    turn = np.arange(count) * 2 * np.pi / count
    return np.stack([np.cos(turn), np.sin(turn)], 1)


def _eyeball(mesh: Mesh, side: float) -> None:
    """Front of a sphere; pupil, iris and sclera end at exact rings."""
    centre = sf.EYE_CENTER * [side, 1, 1]
    count = 28
    circle = _circle(count)
    previous = None
    pole = mesh.add((centre + [0, 0, sf.EYE_RADIUS])[None], 'ball')[0]
    for degrees in (13.0, 14.0, 22.0, 30.0, 32.0, 45.0, 61.0, 78.0, 95.0):
        angle = np.radians(degrees)
        ring = np.column_stack([np.sin(angle) * circle, np.full(count, np.cos(angle))])
        row = mesh.add(centre + sf.EYE_RADIUS * ring, 'ball')
        part = 'pupil' if degrees < 14 else 'iris' if degrees < 32 else 'sclera'
        if previous is None:
            for i in range(count):
                mesh.triangle(pole, row[i], row[(i + 1) % count], part)
        else:
            mesh.band(previous, row, part)
        previous = row
    # Light from the upper left of the picture's right: the same place in both eyes, whatever the gaze.
    normal = np.array([0.24, 0.30, 0.92])
    along, up = np.array([0.968, 0.0, -0.252]), np.array([-0.076, 0.954, -0.291])
    spot = centre + (sf.EYE_RADIUS + 0.2) * normal
    hub = mesh.add(spot[None], 'glint')[0]
    disc = _circle(14) * 2.0
    row = mesh.add(spot + disc[:, :1] * along + disc[:, 1:] * up, 'glint')
    for i in range(14):
        mesh.triangle(hub, row[i], row[(i + 1) % 14], 'glint')


def _brow(mesh: Mesh, side: float) -> None:
    """A soft bar that follows the skin above the eye."""
    along = np.linspace(0, 1, 17)
    x = 10.5 + 37.0 * along
    y = 29.5 + 6.0 * np.sin(np.pi * np.minimum(along * 0.78 + 0.06, 1)) - 3.5 * along**2
    thick = 3.7 * np.sin(np.pi * np.clip(0.03 + 0.95 * along**0.8, 0, 1)) ** 0.75
    rows = []
    for across, lift in ((-1.0, -0.8), (-0.55, 1.4), (0.0, 2.2), (0.55, 1.4), (1.0, -0.8)):
        xy = np.stack([x, y + across * thick], 1)
        depth = sf.front_skin(xy) + lift * np.minimum(1, thick / 2.2)
        rows.append(mesh.add(np.column_stack([side * xy[:, 0], xy[:, 1], depth]), 'brow'))
    for low, high in zip(rows[:-1], rows[1:], strict=True):
        mesh.band(*((high, low) if side > 0 else (low, high)), 'brows', closed=False)


def _ear(mesh: Mesh, side: float) -> None:
    """A flattened shell with a hollow, half sunk into the temple."""
    circle = _circle(20)
    rows = []
    for size, out in ((0.8, -9.0), (1.0, 0.0), (1.0, 4.0), (0.86, 6.0), (0.68, 3.6), (0.3, 2.5)):
        taper = 1 - 0.22 * np.clip(-circle[:, 1], 0, 1)
        y = -2.0 + 21.0 * size * circle[:, 1]
        z = -9.0 - 12.5 * size * taper * circle[:, 0] - 0.2 * y
        flare = 3.0 * circle[:, 0] * size
        x = 79.0 + out + flare - 3.0 * np.clip(-circle[:, 1], 0, 1)
        rows.append(mesh.add(np.column_stack([side * x, y, z]), 'skin'))
    for outer, inner in zip(rows[:-1], rows[1:], strict=True):
        mesh.band(*((inner, outer) if side > 0 else (outer, inner)), 'skin')
    middle = mesh.add(np.array([[side * 81.0, -2.0, -9.0]]), 'skin')[0]
    for i in range(20):
        a, b = rows[-1][i], rows[-1][(i + 1) % 20]
        mesh.triangle(middle, *((a, b) if side > 0 else (b, a)), 'skin')


def _teeth(mesh: Mesh, group: str, high: float, low: float) -> None:
    """A curved strip with rounded edges."""
    angle = np.linspace(-1.25, 1.25, 29)
    lip = float(sf.front_skin(np.array([[0.0, sf.MOUTH_Y]]))[0])
    rows = []
    reach = 21.0 if group == 'teeth_upper' else 19.0
    for y, inward in (
        (high, 2.5),
        (high - 0.8, 0.3),
        ((high + low) / 2, 0.0),
        (low + 0.8, 0.3),
        (low, 2.5),
    ):
        x = (reach - inward) * np.sin(angle)
        z = lip - 7.5 - (reach + 2.0) * (1 - np.cos(angle)) - inward
        if group == 'teeth_lower':
            z = z - 5.5
        rows.append(mesh.add(np.column_stack([x, np.full(29, y), z]), group))
    for upper, lower in zip(rows[:-1], rows[1:], strict=True):
        mesh.band(upper, lower, 'teeth', closed=False)


def _tongue(mesh: Mesh) -> None:
    """A flat half ellipsoid behind the lower teeth."""
    lip = float(sf.front_skin(np.array([[0.0, sf.MOUTH_Y]]))[0])
    circle = _circle(20)
    previous = None
    tip = mesh.add(np.array([[0.0, sf.MOUTH_Y - 7.5, lip - 19.0]]), 'tongue')[0]
    for u in (0.25, 0.5, 0.75, 1.0):
        wide = np.sin(u * np.pi / 2)
        x = 14.0 * wide * circle[:, 0]
        y = (
            sf.MOUTH_Y
            - 7.0
            + 4.5 * wide * circle[:, 1]
            - 1.2 * np.exp(-0.5 * (x / 3) ** 2) * (circle[:, 1] > 1e-9)
        )
        z = np.full(20, lip - 19.0 - 30.0 * (1 - np.cos(u * np.pi / 2)))
        row = mesh.add(np.column_stack([x, y, z]), 'tongue')
        if previous is None:
            for i in range(20):
                mesh.triangle(tip, row[i], row[(i + 1) % 20], 'tongue')
        else:
            mesh.band(previous, row, 'tongue')
        previous = row


def _neck(mesh: Mesh) -> None:
    """A tube that leaves the skull under the jaw, and a shirt over the shoulders."""
    bare = ((-52.0, 38.0), (-80.0, 36.5), (-104.0, 36.5), (-122.0, 39.0), (-138.0, 41.0))
    collar = ((-136.0, 44.0), (-128.0, 45.5), (-127.0, 48.0), (-131.0, 51.0), (-138.0, 56.0))
    shirt = (*collar, (-148.0, 76.0), (-159.0, 108.0), (-176.0, 138.0))
    for rows, part, drop in ((bare, 'skin', 0.0), (shirt, 'shirt', 7.0)):
        circle = _circle(32)
        previous = None
        for y, radius in rows:
            z = -20.0 - min(0.9 * radius, 62.0) * circle[:, 1] + 0.06 * (y + 52)
            # A collar lies lower in front than at the nape.
            low = y + drop * circle[:, 1] * np.exp(-0.5 * ((y + 128.0) / 14.0) ** 2)
            row = mesh.add(np.column_stack([radius * circle[:, 0], low, z]), 'neck')
            if previous is not None:
                mesh.band(row, previous, part)
            previous = row
