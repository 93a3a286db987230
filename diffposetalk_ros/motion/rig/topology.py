# SPDX-License-Identifier: Apache-2.0
"""Builds the neutral mesh: skin with rings around mouth and eyes, and the parts inside.

The skin is triangulated for one half of the head and mirrored, so that it is exactly symmetric.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from diffposetalk_ros.motion.rig import surface as sf
from diffposetalk_ros.motion.rig.face import Face
from diffposetalk_ros.motion.rig.hair import add_hair
from diffposetalk_ros.motion.rig.mesh import PARTS, Mesh
from diffposetalk_ros.motion.rig.pieces import add_pieces

Array = NDArray[np.float64]
Index = NDArray[np.int64]

MOUTH_SEGMENTS = 56
EYE_SEGMENTS = 36
# Half width and upper, lower half height of the rings around the mouth; ring 3 is the lip border.
_MOUTH_RINGS = (
    (23.0, 0.1, 0.1),
    (23.6, 2.2, 2.8),
    (24.4, 4.8, 6.0),
    (25.4, 7.2, 8.8),
    (27.6, 9.6, 11.8),
    (31.5, 12.6, 15.6),
    (37.0, 16.5, 20.5),
)
# How much of a face's own lip height each ring takes.
_LIP_SHARE = (0.0, 0.33, 0.67, 1.0, 0.8, 0.4, 0.0)
_LIP_BULGE = (-1.5, 2.2, 3.4, 1.4, 0.2, 0.0, 0.0)
LIP_RING = 3
_RIM = 17
# The same for the eyes: margin of the lids, its outer edge, crease, and two rings towards the socket.
_EYE_SHIFT = 0.9
_EYE_RINGS = (
    (16.8, 5.3, 4.2),
    (17.3, 6.0, 4.6),
    (18.7, 8.6, 7.1),
    (20.6, 11.8, 10.3),
    (22.8, 15.2, 14.2),
)
EYE_ON_BALL = (1.0, 0.92, 0.62, 0.22, 0.0)


def build_mesh(face: Face) -> Mesh:
    """The complete neutral mesh of a face."""
    mesh = Mesh(face)
    mouth = _mouth(mesh)
    eyes = {side: _eye(mesh, side) for side in (1.0, -1.0)}
    _fill_skin(mesh, mouth, eyes)
    add_hair(mesh)
    add_pieces(mesh)
    return mesh


def mouth_ring(face: Face, k: int) -> tuple[Array, Array]:
    """Front positions (N, 2) and angles (N,) of mouth ring k; angle 0 is the left corner."""
    turn = np.arange(MOUTH_SEGMENTS) * 2 * np.pi / MOUTH_SEGMENTS
    width, upper, lower = _MOUTH_RINGS[k]
    # The inner ring is the same for all faces, so that an opening in mm means the same on each.
    share = _LIP_SHARE[k]
    upper += share * (face.lips[0] - _MOUTH_RINGS[LIP_RING][1])
    lower += share * (face.lips[1] - _MOUTH_RINGS[LIP_RING][2])
    x = width * np.cos(turn)
    sine = np.sin(turn)
    bow = 1 - 0.16 * np.exp(-0.5 * (x / 3.2) ** 2) + 0.05 * np.exp(-0.5 * ((np.abs(x) - 6) / 4) ** 2)
    height = np.where(sine > 0, upper * (bow if 1 < k <= 4 else 1.0), lower)
    y = sf.MOUTH_Y + height * np.sign(sine) * np.abs(sine) ** (1.0 if k > 3 else 1.15)
    y = y + (sf.mouth_line(x) - sf.MOUTH_Y) * (1 - k / 7)
    return np.stack([x, y], 1), turn


def _mouth(mesh: Mesh) -> Index:
    """Lips, the rings around them and the bag behind; returns the outermost ring."""
    rings = []
    for k in range(len(_MOUTH_RINGS)):
        xy, turn = mouth_ring(mesh.face, k)
        bulge = _LIP_BULGE[k] * np.abs(np.sin(turn)) ** 0.6 - (1.5 if k < 4 else 0) * np.cos(turn) ** 8
        depth = sf.front_skin(mesh.face, xy) + bulge
        rings.append(mesh.add(np.column_stack([xy, depth]), 'skin', k, turn))
    for k in range(len(rings) - 1):
        mesh.band(rings[k], rings[k + 1], 'lips' if k < LIP_RING else 'skin')
    inner, turn = mouth_ring(mesh.face, 0)
    front = sf.front_skin(mesh.face, inner) - 1.5
    previous = rings[0]
    # The rows directly behind the lips touch, so that no light passes through closed lips.
    for scale, height, back in (
        (0.99, -0.15, 1.2),
        (0.98, 3.0, 3.0),
        (1.02, 11.0, 8.0),
        (1.0, 17.0, 22.0),
        (0.7, 15.0, 42.0),
    ):
        xyz = np.column_stack([inner[:, 0] * scale, inner[:, 1] + height * np.sin(turn), front - back])
        row = mesh.add(xyz, 'bag', 0, turn)
        mesh.band(row, previous, 'lips' if back < 4 else 'mouth')
        previous = row
    pole = mesh.add(np.array([[0.0, sf.MOUTH_Y, front.max() - 50.0]]), 'bag', 0, np.array([-0.5]))
    for i in range(MOUTH_SEGMENTS):
        mesh.triangle(pole[0], previous[i], previous[(i + 1) % MOUTH_SEGMENTS], 'mouth')
    return rings[-1]


def on_ball(xy: Array, side: float, radius: float) -> Array:
    """Depth (N,) of a sphere around an eye's centre at front positions (N, 2)."""
    rest = radius**2 - (xy[:, 0] - side * sf.EYE_CENTER[0]) ** 2 - (xy[:, 1] - sf.EYE_CENTER[1]) ** 2
    return np.asarray(sf.EYE_CENTER[2] + np.sqrt(np.maximum(rest, 4.0)))


def _eye(mesh: Mesh, side: float) -> Index:
    """Lids and rings around one eye, first vertex at the outer corner; returns the outermost ring."""
    turn = np.arange(EYE_SEGMENTS) * 2 * np.pi / EYE_SEGMENTS
    rings = []
    for k, (width, upper, lower) in enumerate(_EYE_RINGS):
        sine = np.sin(turn)
        x = side * (sf.EYE_CENTER[0] + _EYE_SHIFT + width * np.cos(turn))
        tilt = mesh.face.eye_tilt * np.cos(turn) * (1 - k / 6)
        y = sf.EYE_CENTER[1] + np.where(sine > 0, upper, lower) * sine + tilt
        xy = np.stack([x, y], 1)
        ball = EYE_ON_BALL[k]
        depth = ball * on_ball(xy, side, sf.LID_RADIUS) + (1 - ball) * sf.front_skin(mesh.face, xy)
        rings.append(mesh.add(np.column_stack([xy, depth]), 'lid', k, turn))
    rim = np.array([mesh.position[i] for i in rings[0]])
    rim[:, 2] -= 2.6
    inside = mesh.add(rim, 'lid', 0, turn)
    rows = [inside, *rings] if side > 0 else [row[::-1] for row in (inside, *rings)]
    for k in range(len(rows) - 1):
        mesh.band(rows[k], rows[k + 1], 'lids' if k < 3 else 'skin')
        if k == 1:
            _lashes(mesh, rows[k])
    return rings[-1]


def _lashes(mesh: Mesh, margin: Index) -> None:
    """Names the faces above the upper margin, added last, as a dark line."""
    middle = np.array([mesh.position[i] for i in margin])[:, 1].mean()
    for face in range(len(mesh.faces) - 2 * len(margin), len(mesh.faces)):
        if min(mesh.position[i][1] for i in mesh.faces[face]) > middle - 1.0:
            mesh.part[face] = PARTS.index('lashes')


def _fill_skin(mesh: Mesh, mouth: Index, eyes: dict[float, Index]) -> None:
    """Triangulates the left half between the rings and mirrors it onto the right."""
    ring_points = np.array(mesh.position)
    mouth_left = np.array([i for i in mouth if ring_points[i, 0] > -1e-6])
    fixed = np.concatenate([mouth_left, eyes[1.0]])
    fixed_plane = sf.unroll(mesh.face, ring_points[fixed, :2])
    outlines = [sf.unroll(mesh.face, ring_points[ring, :2]) for ring in (mouth, eyes[1.0])]
    free = _scatter(mesh.face)
    free = free[~(_inside(free, outlines[0], 1.12) | _inside(free, outlines[1], 1.12))]
    points = sf.roll(mesh.face, free)
    points[free[:, 0] < 1e-6, 0] = 0.0
    away = points[:, 0] > 0
    left = mesh.add(points, 'skin')
    right = mesh.add(points[away] * [-1, 1, 1], 'skin')
    back = sf.roll(mesh.face, np.array([[0.0, np.pi * 90 - 1e-6]])) * [0, 1, 1]
    pole = int(mesh.add(back, 'skin')[0])

    by_place = {tuple(np.round(ring_points[i], 6) + 0.0): int(i) for i in (*mouth, *eyes[-1.0])}
    mirror = {pole: pole}
    for i in fixed:
        x, y, z = np.round(ring_points[i], 6)
        mirror[int(i)] = by_place[(-x + 0.0, y, z)]
    mirror |= {int(i): int(i) for i in left[~away]}
    mirror |= {int(i): int(j) for i, j in zip(left[away], right, strict=True)}

    index = np.concatenate([fixed, left])
    plane = np.concatenate([fixed_plane, free])
    triangles = Delaunay(plane).simplices
    centre = plane[triangles].mean(axis=1)
    triangles = triangles[~(_inside(centre, outlines[0], 1.0) | _inside(centre, outlines[1], 1.0))]
    u, v = (plane[triangles[:, k]] - plane[triangles[:, 0]] for k in (1, 2))
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    triangles = np.where((area < 0)[:, None], triangles[:, ::-1], triangles)[np.abs(area) > 1e-3]
    faces = [(int(a), int(b), int(c)) for a, b, c in index[triangles]]
    rim = left[-_RIM:]
    faces += [(int(a), pole, int(b)) for a, b in zip(rim[:-1], rim[1:], strict=True)]
    for a, b, c in faces:
        mesh.triangle(a, b, c, 'skin')
        mesh.triangle(mirror[a], mirror[c], mirror[b], 'skin')


def _scatter(face: Face) -> Array:
    """Points (N, 2) of the left half of the unrolled plane, dense in the face; the rim comes last."""
    across, down = np.meshgrid(
        np.arange(0.0, 16.5, 1.9), np.concatenate([np.arange(-42.5, -22.0, 1.6), np.arange(-21.6, 2.0, 2.6)])
    )
    nose = sf.unroll(face, np.stack([across.ravel(), down.ravel()], 1))
    points = [nose]
    radius, step = 0.0, 4.6
    while radius < 262.0:
        count = max(1, round(np.pi * radius / step)) if radius else 0
        angle = np.linspace(-np.pi / 2, np.pi / 2, count + 1)
        ring = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
        # The forehead is smooth and needs only half as many points.
        coarse = (radius > 58.0) & (angle > 0.5) & (np.arange(count + 1) % 2 == 1)
        points.append(ring[~(_inside(ring, _corners(nose), 1.1) | coarse)])
        step = 4.6 + 15.0 * float(sf.smoothstep(75.0, 200.0, np.array(radius)))
        radius += step * 0.87
    angle = np.linspace(-np.pi / 2, np.pi / 2, _RIM)
    points.append(262.0 * np.stack([np.cos(angle), np.sin(angle)], 1))
    scattered = np.concatenate(points)
    scattered[scattered[:, 0] < 1e-6, 0] = 0.0
    return scattered


def _corners(points: Array) -> Array:
    """Outline (4, 2) of the box around points (N, 2) and its mirror image."""
    (right, top), low = points.max(axis=0), points[:, 1].min()
    return np.array([[-right, low], [right, low], [right, top], [-right, top]])


def _inside(points: Array, outline: Array, scale: float) -> NDArray[np.bool_]:
    """Which points (N, 2) lie in the polygon (M, 2), enlarged about its centre (even-odd rule)."""
    centre = outline.mean(axis=0)
    a = centre + scale * (outline - centre)
    b = np.roll(a, -1, axis=0)
    x, y = points[:, :1], points[:, 1:]
    straddles = (a[:, 1] > y) != (b[:, 1] > y)
    run = np.where(a[:, 1] == b[:, 1], 1.0, b[:, 1] - a[:, 1])
    crossing = a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / run
    return np.asarray((straddles & (x < crossing)).sum(axis=1) % 2 == 1)
