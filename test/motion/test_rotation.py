# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.motion.rotation import (
    conjugate,
    flame_to_ros,
    multiply,
    quaternion_to_vector,
    ros_to_flame,
    slerp,
    vector_to_matrix,
    vector_to_quaternion,
)

vectors = st.tuples(*[st.floats(-1.7, 1.7)] * 3).map(np.array)


@settings(max_examples=30, deadline=None)
@given(vectors)
def test_vectors_survive_the_way_to_quaternions_and_back(vector):
    quaternion = vector_to_quaternion(vector)
    assert np.linalg.norm(quaternion) == pytest.approx(1)
    np.testing.assert_allclose(quaternion_to_vector(quaternion), vector, atol=1e-9)
    np.testing.assert_allclose(quaternion_to_vector(-quaternion), vector, atol=1e-9)


def test_a_quarter_turn_about_z_takes_x_to_y():
    turn = vector_to_quaternion([0, 0, np.pi / 2])
    np.testing.assert_allclose(turn, [0, 0, np.sqrt(0.5), np.sqrt(0.5)])
    np.testing.assert_allclose(vector_to_matrix([0, 0, np.pi / 2]) @ [1, 0, 0], [0, 1, 0], atol=1e-12)


def test_no_turn_is_the_identity():
    np.testing.assert_array_equal(vector_to_matrix([0, 0, 0]), np.eye(3))


@settings(max_examples=30, deadline=None)
@given(vectors)
def test_a_matrix_keeps_lengths_and_its_axis_and_turns_by_its_angle(vector):
    matrix = vector_to_matrix(vector)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(matrix @ vector, vector, atol=1e-9)
    assert np.trace(matrix) == pytest.approx(1 + 2 * np.cos(np.linalg.norm(vector)))


@settings(max_examples=30, deadline=None)
@given(vectors, vectors)
def test_product_applies_the_second_factor_first(a, b):
    qa, qb = vector_to_quaternion(a), vector_to_quaternion(b)
    product = vector_to_matrix(quaternion_to_vector(multiply(qa, qb)))
    np.testing.assert_allclose(product, vector_to_matrix(a) @ vector_to_matrix(b), atol=1e-9)
    np.testing.assert_allclose(multiply(qa, conjugate(qa)), [0, 0, 0, 1], atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(vectors, vectors)
def test_slerp_goes_at_constant_speed_from_one_to_the_other(a, b):
    qa, qb = vector_to_quaternion(a), vector_to_quaternion(b)
    whole = np.linalg.norm(quaternion_to_vector(multiply(conjugate(qa), qb)))
    for t in (0.0, 0.25, 1.0):
        part = quaternion_to_vector(multiply(conjugate(qa), slerp(qa, qb, t)))
        assert np.linalg.norm(part) == pytest.approx(t * whole, abs=1e-7)


def test_a_nod_tips_the_nose_down_in_both_frames():
    # Face: the nose points along +z, up is +y; a nod is a positive turn about x (subject's left).
    nod = np.array([0.3, 0.0, 0.0])
    nose = vector_to_matrix(nod) @ [0, 0, 1]
    assert nose[1] < 0
    # ROS: the nose points along +x, up is +z.
    nose = vector_to_matrix(flame_to_ros(nod)) @ [1, 0, 0]
    assert nose[2] < 0
    np.testing.assert_array_equal(flame_to_ros(nod), [0, 0.3, 0])


def test_a_turn_to_the_subjects_left_is_a_turn_about_up_in_both_frames():
    turn = np.array([0.0, 0.4, 0.0])
    assert (vector_to_matrix(turn) @ [0, 0, 1])[0] > 0
    assert (vector_to_matrix(flame_to_ros(turn)) @ [1, 0, 0])[1] > 0


@settings(max_examples=30, deadline=None)
@given(vectors, vectors)
def test_the_change_of_axes_is_a_change_of_axes(vector, point):
    """Rotating, then changing axes = changing axes, then rotating."""
    inside = flame_to_ros(vector_to_matrix(vector) @ point)
    outside = vector_to_matrix(flame_to_ros(vector)) @ flame_to_ros(point)
    np.testing.assert_allclose(inside, outside, atol=1e-9)
    np.testing.assert_array_equal(ros_to_flame(flame_to_ros(vector)), vector)


def test_arrays_of_rotations():
    x = np.random.default_rng(0).normal(0, 1, (4, 5, 3))
    q = vector_to_quaternion(x)
    assert q.shape == (4, 5, 4)
    np.testing.assert_array_equal(vector_to_matrix(x)[2, 3], vector_to_matrix(x[2, 3]))
    assert slerp(q, q, 0.5).shape == (4, 5, 4)
    np.testing.assert_allclose(quaternion_to_vector(q)[2, 3], quaternion_to_vector(q[2, 3]))
