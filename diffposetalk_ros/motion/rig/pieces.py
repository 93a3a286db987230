# SPDX-License-Identifier: Apache-2.0
"""Pieces beside the skin: eyeballs, brows, ears, teeth, tongue, neck and shirt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.rig import surface as sf
from diffposetalk_ros.motion.rig.mesh import Index, Mesh

Array = NDArray[np.float64]

PUPIL, IRIS = 8.0, 18.2
"""Radius of pupil and iris, seen from the middle of the eyeball, in degrees."""


def add_pieces(mesh: Mesh) -> None:
    """Append every piece to the mesh."""
    for side in (1.0, -1.0):
        _eyeball(mesh, side)
        _brow(mesh, side)
        _ear(mesh, side)
    _teeth(mesh, 'teeth_upper', sf.MOUTH_Y + 10.0, sf.MOUTH_Y + 0.2)
    _teeth(mesh, 'teeth_lower', sf.MOUTH_Y - 3.2, sf.MOUTH_Y - 11.0)
    _tongue(mesh)
    _neck(mesh)


def _circle(count: int) -> Array:
    turn = np.arange(count) * 2 * np.pi / count
    return np.stack([np.cos(turn), np.sin(turn)], 1)


def _lip_depth(mesh: Mesh) -> float:
    return float(sf.front_skin(mesh.face, np.array([[0.0, sf.MOUTH_Y]]))[0])


def _eyeball(mesh: Mesh, side: float) -> None:
    """Front of a sphere; pupil, iris and sclera end at exact rings."""
    centre = sf.EYE_CENTER * [side, 1, 1]
    count = 26
    circle = _circle(count)
    previous = None
    pole = mesh.add((centre + [0, 0, sf.EYE_RADIUS])[None], 'ball')[0]
    for degrees in (PUPIL - 1, PUPIL, 14.0, IRIS - 1.3, IRIS, 30.0, 45.0, 60.0, 74.0):
        angle = np.radians(degrees)
        ring = np.column_stack([np.sin(angle) * circle, np.full(count, np.cos(angle))])
        row = mesh.add(centre + sf.EYE_RADIUS * ring, 'ball')
        part = 'pupil' if degrees <= PUPIL else 'iris' if degrees <= IRIS else 'sclera'
        if previous is None:
            for i in range(count):
                mesh.triangle(pole, row[i], row[(i + 1) % count], part)
        else:
            mesh.band(previous, row, part)
        previous = row
    # Reflection of a lamp at the same position in both eyes, independent of the gaze.
    normal = np.array([0.17, 0.17, 0.97])
    normal /= np.linalg.norm(normal)
    along = np.cross([0.0, 1.0, 0.0], normal)
    along /= np.linalg.norm(along)
    up = np.cross(normal, along)
    spot = centre + (sf.EYE_RADIUS + 0.25) * normal
    hub = mesh.add(spot[None], 'glint')[0]
    disc = _circle(14) * 1.35
    row = mesh.add(spot + disc[:, :1] * along + disc[:, 1:] * up, 'glint')
    for i in range(14):
        mesh.triangle(hub, row[i], row[(i + 1) % 14], 'glint')


def _brow(mesh: Mesh, side: float) -> None:
    """A soft bar that follows the skin above the eye."""
    inner, arch, outer, half = mesh.face.brow
    along = np.linspace(0, 1, 17)
    x = 11.0 + 36.0 * along
    y = sf.curve(((0.0, inner), (0.3, 0.45 * inner + 0.55 * arch), (0.62, arch), (1.0, outer)), along)
    thick = half * np.sin(np.pi * np.clip(0.02 + 0.95 * along**0.72, 0, 1)) ** 0.62
    rows = []
    for across, lift in ((-1.0, -0.5), (-0.55, 0.8), (0.0, 1.3), (0.55, 0.8), (1.0, -0.5)):
        xy = np.stack([x, y + across * thick], 1)
        depth = sf.front_skin(mesh.face, xy) + lift * np.minimum(1, thick / 2.2)
        rows.append(mesh.add(np.column_stack([side * xy[:, 0], xy[:, 1], depth]), 'brow'))
    for low, high in zip(rows[:-1], rows[1:], strict=True):
        mesh.band(*((high, low) if side > 0 else (low, high)), 'brows', closed=False)


def _ear(mesh: Mesh, side: float) -> None:
    """A shell with a rolled rim, a hollow and a lobe, half sunk into the side of the head."""
    circle = _circle(24)
    scale = mesh.face.ear
    rows = []
    for size, out in (
        (0.8, -0.6),
        (1.0, 1.0),
        (1.06, 5.0),
        (1.0, 7.4),
        (0.88, 7.6),
        (0.72, 5.0),
        (0.35, 3.6),
    ):
        # Below, the ear narrows to the lobe.
        lobe = 1 - 0.38 * np.clip(-circle[:, 1], 0, 1) ** 1.5
        up, back = circle[:, 1] * size, -circle[:, 0] * size * lobe
        y = -8.0 + scale * 25.0 * up
        z = -10.0 + scale * 13.5 * back - 0.22 * (y + 8.0)
        # The rear edge stands away from the head, front and lobe lie on it.
        flare = out * (0.62 - 0.42 * back - 0.12 * np.clip(-up, 0, 1)) if out > 0 else out
        x = sf.side_skin(mesh.face, y, z) + scale * 1.35 * flare
        rows.append(mesh.add(np.column_stack([side * x, y, z]), 'ear'))
    for outer, inner in zip(rows[:-1], rows[1:], strict=True):
        mesh.band(*((inner, outer) if side > 0 else (outer, inner)), 'skin')
    middle = mesh.add(
        np.array([[side * (sf.side_skin(mesh.face, np.array(-9.0), np.array(-8.0)) + 3.6), -9.0, -8.0]]),
        'ear',
    )[0]
    for i in range(24):
        a, b = rows[-1][i], rows[-1][(i + 1) % 24]
        mesh.triangle(middle, *((a, b) if side > 0 else (b, a)), 'skin')


def _teeth(mesh: Mesh, group: str, high: float, low: float) -> None:
    """A curved arch with rounded edges."""
    angle = np.linspace(-1.35, 1.35, 25)
    upper = group == 'teeth_upper'
    front = _lip_depth(mesh) - (7.5 if upper else 13.0)
    wide, deep = (21.5, 26.0) if upper else (19.5, 23.0)
    rows = []
    for y, inward in ((high, 2.5), (high - 0.8, 0.3), ((high + low) / 2, 0.0), (low + 0.8, 0.3), (low, 2.5)):
        x = (wide - inward) * np.sin(angle)
        z = front - deep * (1 - np.cos(angle)) - inward
        # The upper front teeth reach lowest, as in a smile.
        rise = 1.6 * (1 - np.cos(angle)) if upper and y < (high + low) / 2 else 0.0
        rows.append(mesh.add(np.column_stack([x, y + rise + 0 * x, z]), group))
    for above, below in zip(rows[:-1], rows[1:], strict=True):
        mesh.band(above, below, 'teeth', closed=False)


def _tongue(mesh: Mesh) -> None:
    """A flat half ellipsoid whose tip lies close behind the lower teeth."""
    lip = _lip_depth(mesh)
    circle = _circle(20)
    previous = None
    tip = mesh.add(np.array([[0.0, sf.MOUTH_Y - 3.4, lip - 14.6]]), 'tongue')[0]
    for u in (0.25, 0.5, 0.75, 1.0):
        wide = np.sin(u * np.pi / 2)
        x = 14.5 * wide * circle[:, 0]
        groove = 1.2 * np.exp(-0.5 * (x / 3) ** 2) * (circle[:, 1] > 1e-9)
        y = sf.MOUTH_Y - 3.6 - 1.2 * u + 4.2 * wide * circle[:, 1] - groove
        z = np.full(20, lip - 14.6 - 32.0 * (1 - np.cos(u * np.pi / 2)))
        row = mesh.add(np.column_stack([x, y, z]), 'tongue')
        if previous is None:
            for i in range(20):
                mesh.triangle(tip, row[i], row[(i + 1) % 20], 'tongue')
        else:
            mesh.band(previous, row, 'tongue')
        previous = row


def _neck(mesh: Mesh) -> None:
    """A tube that leaves the skull under the jaw, and a shirt with a closed collar over the shoulders."""
    neck = mesh.face.neck
    tube = [(y, neck * wide, neck * deep, middle) for y, wide, deep, middle in _NECK]
    _tube(mesh, tube, 'skin', 0.0)
    # The collar begins inside the neck, so that no gap opens between them.
    shirt = [
        (y, wide * (neck if y > -147 else 1.0), deep * (neck if y > -147 else 1.0), -24.0)
        for y, wide, deep in _SHIRT
    ]
    _tube(mesh, shirt, 'shirt', 6.0)


# Height, half breadth, half depth, and z of the middle, from inside the skull down. The neck leaves the skull along
# the jaw and stays behind the mouth however far the jaw opens.
_NECK = (
    (-40.0, 41.0, 34.0, -25.0), (-58.0, 39.0, 33.2, -23.3), (-80.0, 36.8, 34.5, -23.0), (-104.0, 36.6, 36.0, -22.0),
    (-126.0, 38.5, 38.5, -23.0), (-145.0, 41.0, 41.0, -24.0),
)  # fmt: skip
# Height, half breadth and half depth.
_SHIRT = (
    (-143.0, 39.5, 38.5), (-138.5, 43.0, 41.5), (-137.0, 45.0, 43.2), (-138.5, 47.0, 45.0), (-145.0, 49.5, 47.0),
    (-151.0, 62.0, 50.0), (-160.0, 92.0, 54.0), (-172.0, 120.0, 60.0), (-195.0, 138.0, 68.0), (-240.0, 146.0, 76.0),
    (-300.0, 146.0, 80.0),
)  # fmt: skip


def _tube(mesh: Mesh, rows: list[tuple[float, float, float, float]], part: str, drop: float) -> Index:
    """Ellipses (height, half breadth, half depth, middle z) from top to bottom; returns the last row."""
    circle = _circle(32)
    previous = None
    for y, wide, deep, middle in rows:
        z = middle - deep * circle[:, 1]
        # A collar lies lower in front than at the nape.
        low = y + drop * circle[:, 1] * np.exp(-0.5 * ((y + 138.0) / 14.0) ** 2)
        row = mesh.add(np.column_stack([wide * circle[:, 0], low, z]), 'neck')
        if previous is not None:
            mesh.band(previous, row, part)
        previous = row
    assert previous is not None
    return previous
