# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.motion.rotation import multiply, quaternion_to_vector, vector_to_quaternion
from diffposetalk_ros.playout.interpolation import interpolate


def curve(points: np.ndarray, per: int, head: slice | None = None) -> np.ndarray:
    """Samples of the whole curve through the points, ``per`` between two of them."""
    rows = []
    for k in range(1, len(points) - 2):
        rows += [interpolate(*points[k - 1 : k + 3], j / per, head) for j in range(per)]
    return np.array(rows)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.floats(0, 1))
def test_it_never_leaves_the_two_frames(values: list[float], part: float) -> None:
    before, first, second, after = (np.array([value]) for value in values)
    row = interpolate(before, first, second, after, part)
    assert min(first, second) - 1e-12 <= row <= max(first, second) + 1e-12


def test_it_meets_the_frames_and_straight_lines_stay_straight() -> None:
    points = np.linspace(0, 1, 8)[:, None]
    np.testing.assert_allclose(curve(points, 4)[:, 0], 1 / 7 + np.arange(20) / 28, atol=1e-12)


def test_velocity_is_continuous() -> None:
    """Straight lines through the same points jump in velocity by ten times as much."""
    points = np.sin(np.arange(40) / 3)[:, None]
    fine = curve(points, 50)[:, 0]
    straight = np.interp(np.arange(len(fine)) / 50 + 1, np.arange(40), points[:, 0])
    assert np.abs(np.diff(fine, 2)).max() < 0.1 * np.abs(np.diff(straight, 2)).max()


def test_the_head_turns_on_the_rotation_group() -> None:
    """The same turn from another posture gives the same curve, seen from there."""
    turn = np.array([[0, 0.1 * k * (1 + 0.1 * k), 0] for k in range(6)])
    posture = vector_to_quaternion([0.5, -0.4, 0.3])
    moved = quaternion_to_vector(multiply(posture, vector_to_quaternion(turn)))
    plain, posed = curve(turn, 5, slice(0, 3)), curve(moved, 5, slice(0, 3))
    np.testing.assert_allclose(
        quaternion_to_vector(multiply(posture, vector_to_quaternion(plain))), posed, atol=1e-9
    )
    np.testing.assert_allclose(plain[::5], turn[1:4], atol=1e-12)
