# SPDX-License-Identifier: Apache-2.0
"""Distances on a tracked face, independent of its position, its size and the rotation of the head."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ['FEATURES', 'face_features', 'frontal', 'nearest_rotation']

Floats = NDArray[np.float64]

FEATURES: tuple[str, ...] = (
    'lip_inner',  # gap between the inner lips at the middle
    'mouth_width',  # from corner to corner
    'mouth_x',  # middle between the corners, to the subject's left of the eyes' middle
    'corner_lift',  # corners above the middle between the lips
    'jaw_x',  # chin to the subject's left of the eyes' middle
    'eye_left',  # opening of the lids over the width of that eye
    'eye_right',
    'brow_inner',  # inner ends of both brows above the line of the eyes
    'brow_left',  # middle of the outer brow above the line of the eyes
    'brow_right',
)
"""Names of the numbers of `face_features`; unit: the distance of the outer eye corners, but for the eyes."""

# Vertices of MediaPipe's face mesh (478 with irises); left and right are the subject's own.
_OUTER_LEFT, _INNER_LEFT, _INNER_RIGHT, _OUTER_RIGHT = 263, 362, 133, 33
_LIDS = {'left': ((386, 374), (385, 380), (387, 373)), 'right': ((159, 145), (158, 153), (160, 144))}
_LIP_UPPER, _LIP_LOWER, _CORNER_LEFT, _CORNER_RIGHT, _CHIN = 13, 14, 291, 61, 152
_BROW_INNER = (336, 285, 107, 55)
_BROW_LEFT, _BROW_RIGHT = (334, 293, 300), (105, 63, 70)


def frontal(landmarks: ArrayLike, rotation: ArrayLike, size: tuple[int, int]) -> Floats:
    """Landmarks (478, 3) of a picture of ``size`` (width, height) -> points seen from the front.

    ``rotation`` (3, 3) turns face axes (x to the subject's left, y up, z forward) into those of the camera.
    The middle of the outer eye corners is the origin, and their distance is 1.
    """
    points = np.asarray(landmarks, np.float64) * np.array([size[0], -size[1], -size[0]])
    points = (points - points.mean(axis=0)) @ np.asarray(rotation, np.float64)
    eyes = points[[_OUTER_LEFT, _OUTER_RIGHT]]
    return np.asarray((points - eyes.mean(axis=0)) / max(float(np.linalg.norm(eyes[0] - eyes[1])), 1e-9))


def nearest_rotation(matrix: ArrayLike) -> Floats:
    """The rotation (3, 3) nearest to that part of a tracker's matrix of the head; its axes are face axes already."""
    u, _, v = np.linalg.svd(np.asarray(matrix, np.float64))
    return np.asarray(u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))]) @ v)


def face_features(points: ArrayLike) -> Floats:
    """Points of `frontal` (478, 3) -> the distances (10,) named in FEATURES."""
    p = np.asarray(points, np.float64)
    corners = p[[_CORNER_LEFT, _CORNER_RIGHT]]
    lips = p[[_LIP_UPPER, _LIP_LOWER]]
    inner = p[[_INNER_LEFT, _INNER_RIGHT]]
    line = inner[:, 1].mean()
    return np.array(
        [
            lips[0, 1] - lips[1, 1],
            np.linalg.norm(corners[0] - corners[1]),
            corners[:, 0].mean() - inner[:, 0].mean(),
            corners[:, 1].mean() - lips[:, 1].mean(),
            p[_CHIN, 0] - inner[:, 0].mean(),
            _opening(p, 'left', _OUTER_LEFT, _INNER_LEFT),
            _opening(p, 'right', _OUTER_RIGHT, _INNER_RIGHT),
            p[list(_BROW_INNER), 1].mean() - line,
            p[list(_BROW_LEFT), 1].mean() - line,
            p[list(_BROW_RIGHT), 1].mean() - line,
        ]
    )


def _opening(points: Floats, side: str, outer: int, inner: int) -> float:
    pairs = np.array(_LIDS[side])
    gap = (points[pairs[:, 0], 1] - points[pairs[:, 1], 1]).mean()
    return float(gap / max(float(np.linalg.norm(points[outer] - points[inner])), 1e-9))
