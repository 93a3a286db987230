# SPDX-License-Identifier: Apache-2.0
"""One rotation at a time in plain floats: `rotation` for a live frame, where arrays of one take thirty times as long.

Vectors are axis times angle (rad), quaternions are (x, y, z, w), as in `rotation`.
"""

from __future__ import annotations

from math import atan2, cos, hypot, sin

__all__ = ['Quaternion', 'Vector', 'conjugate', 'multiply', 'quaternion_to_vector', 'vector_to_quaternion']

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]

_SMALL = 1e-12
"""Sine (or angle, rad) below which it is its own limit."""


def vector_to_quaternion(vector: Vector) -> Quaternion:
    """Rotation vector in rad -> unit quaternion."""
    x, y, z = vector
    half = 0.5 * hypot(x, y, z)
    scale = 0.5 if half < _SMALL else 0.5 * sin(half) / half
    return scale * x, scale * y, scale * z, cos(half)


def quaternion_to_vector(quaternion: Quaternion) -> Vector:
    """Unit quaternion -> rotation vector with an angle of at most pi."""
    x, y, z, w = quaternion
    sine = hypot(x, y, z)
    scale = 2.0 if sine < _SMALL else 2 * atan2(sine, abs(w)) / sine
    if w < 0:
        scale = -scale
    return scale * x, scale * y, scale * z


def multiply(a: Quaternion, b: Quaternion) -> Quaternion:
    """Hamilton product: first rotation b, then a."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def conjugate(quaternion: Quaternion) -> Quaternion:
    """Inverse of a unit quaternion."""
    x, y, z, w = quaternion
    return -x, -y, -z, w
