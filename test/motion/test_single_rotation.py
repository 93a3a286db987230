# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.motion import rotation
from diffposetalk_ros.motion.single_rotation import (
    conjugate,
    multiply,
    quaternion_to_vector,
    vector_to_quaternion,
)

VECTORS = [
    (0.0, 0.0, 0.0),
    (1e-13, 0.0, 0.0),
    (0.1, -0.2, 0.3),
    (0.0, np.pi, 0.0),
    (-2.0, 1.5, 1.0),
    (5.0, 0.0, -1.0),
]


def test_a_quarter_turn_about_x() -> None:
    half = 0.5**0.5
    assert vector_to_quaternion((np.pi / 2, 0.0, 0.0)) == pytest.approx((half, 0.0, 0.0, half))
    assert quaternion_to_vector((half, 0.0, 0.0, half)) == pytest.approx((np.pi / 2, 0.0, 0.0))


@pytest.mark.parametrize('vector', VECTORS)
def test_the_same_as_with_arrays(vector: tuple[float, float, float]) -> None:
    quaternion = vector_to_quaternion(vector)
    other = vector_to_quaternion((0.4, 0.5, -0.6))
    assert quaternion == pytest.approx(rotation.vector_to_quaternion(vector), abs=1e-15)
    assert quaternion_to_vector(quaternion) == pytest.approx(
        rotation.quaternion_to_vector(quaternion), abs=1e-14
    )
    assert multiply(quaternion, other) == pytest.approx(rotation.multiply(quaternion, other), abs=1e-15)
    assert conjugate(quaternion) == tuple(rotation.conjugate(quaternion))
    assert multiply(quaternion, conjugate(quaternion)) == pytest.approx((0, 0, 0, 1), abs=1e-15)


def test_the_shorter_way_round() -> None:
    assert quaternion_to_vector((0.0, 0.0, 1.0, -0.0)) == pytest.approx((0.0, 0.0, np.pi))
    x, y, z = quaternion_to_vector(vector_to_quaternion((0.0, 4.0, 0.0)))
    assert (x, y, z) == pytest.approx((0.0, 4.0 - 2 * np.pi, 0.0))
