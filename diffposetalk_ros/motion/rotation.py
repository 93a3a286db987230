# SPDX-License-Identifier: Apache-2.0
"""Rotations as vectors (axis times angle, rad), as matrices, and as unit quaternions (x, y, z, w) as in ROS.

Two frames: *face* axes are x to the subject's left, y up, z forward (FLAME); *ROS* axes (REP-103)
are x forward, y left, z up. All functions work on arrays of any leading shape.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    'conjugate',
    'flame_to_ros',
    'multiply',
    'quaternion_to_vector',
    'ros_to_flame',
    'slerp',
    'vector_to_matrix',
    'vector_to_quaternion',
]

Floats = NDArray[np.float64]


def vector_to_quaternion(vector: ArrayLike) -> Floats:
    """Rotation vector (..., 3) in rad -> unit quaternion (..., 4)."""
    v = np.asarray(vector, np.float64)
    half = 0.5 * np.linalg.norm(v, axis=-1, keepdims=True)
    # sinc(x) = sin(pi x) / (pi x): exact at the identity too.
    return np.concatenate([0.5 * v * np.sinc(half / np.pi), np.cos(half)], axis=-1)


def vector_to_matrix(vector: ArrayLike) -> Floats:
    """Rotation vector (..., 3) in rad -> matrix (..., 3, 3) that turns a column (Rodrigues' formula).

    R = I + sin(a) K + (1 - cos(a)) K K, where K is the cross product with the axis and a the angle.
    """
    v = np.asarray(vector, np.float64)
    angle = np.linalg.norm(v, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(v / np.maximum(angle[..., 0], 1e-12), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*v.shape[:-1], 3, 3)
    matrix: Floats = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return matrix


def quaternion_to_vector(quaternion: ArrayLike) -> Floats:
    """Unit quaternion (..., 4) -> rotation vector (..., 3) with an angle of at most pi."""
    q = np.asarray(quaternion, np.float64)
    q = np.where(q[..., 3:] < 0, -q, q)
    sine = np.linalg.norm(q[..., :3], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, q[..., 3:])
    scale = np.divide(angle, sine, out=np.full_like(sine, 2.0), where=sine > 1e-12)
    vector: Floats = q[..., :3] * scale
    return vector


def multiply(a: ArrayLike, b: ArrayLike) -> Floats:
    """Hamilton product: first rotation b, then a. (..., 4) each."""
    p, q = np.asarray(a, np.float64), np.asarray(b, np.float64)
    ax, ay, az, aw = p[..., 0], p[..., 1], p[..., 2], p[..., 3]
    bx, by, bz, bw = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
    product = np.empty(np.broadcast_shapes(p.shape, q.shape))
    product[..., 0] = aw * bx + ax * bw + ay * bz - az * by
    product[..., 1] = aw * by - ax * bz + ay * bw + az * bx
    product[..., 2] = aw * bz + ax * by - ay * bx + az * bw
    product[..., 3] = aw * bw - ax * bx - ay * by - az * bz
    return product


def conjugate(quaternion: ArrayLike) -> Floats:
    """Inverse of a unit quaternion (..., 4)."""
    inverse: Floats = np.asarray(quaternion, np.float64) * np.array([-1.0, -1.0, -1.0, 1.0])
    return inverse


def slerp(a: ArrayLike, b: ArrayLike, t: float | Floats) -> Floats:
    """Shortest way on SO(3) from a (t = 0) to b (t = 1) at constant angular speed; (..., 4), ``t`` (..., 1)."""
    step = quaternion_to_vector(multiply(conjugate(a), b))
    return multiply(a, vector_to_quaternion(t * step))


def flame_to_ros(vector: ArrayLike) -> Floats:
    """Rotation vector (..., 3) in face axes -> the same rotation in ROS axes.

    (rx, ry, rz) -> (rz, rx, ry): roll about forward, pitch about left, yaw about up.
    """
    return np.asarray(vector, np.float64)[..., [2, 0, 1]]


def ros_to_flame(vector: ArrayLike) -> Floats:
    """Inverse of `flame_to_ros`."""
    return np.asarray(vector, np.float64)[..., [1, 2, 0]]
