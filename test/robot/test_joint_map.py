# SPDX-License-Identifier: Apache-2.0
"""Targets of joints: sources, couplings, clearances, neck angles."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from diffposetalk_ros.benchmark.robot import thirty_joints
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.motion.rotation import ros_to_flame
from diffposetalk_ros.robot.joint_map import Clearance, Follow, Joint, JointMap, NeckMap, Source, neck_angles
from diffposetalk_ros.robot.joint_map_file import load_joint_map

LAYOUT = arkit_layout()
EXAMPLE_MAP = load_joint_map(Path(__file__).parents[2] / 'config' / 'joint_map.yaml')


def joint(name: str, **values: object) -> Joint:
    base: dict[str, object] = {'unit': 'rad', 'limits': (-1.0, 1.0), 'speed': 5.0, 'acceleration': 100.0}
    return Joint(name, **(base | {'jerk': 5000.0} | values))  # type: ignore[arg-type]


def row(**channels: float) -> np.ndarray:
    values = np.zeros(LAYOUT.width)
    for name, value in channels.items():
        values[LAYOUT.index(name)] = value
    return values


def test_linear_sources_add_up_from_the_offset() -> None:
    sources = (Source('jawOpen', 0.5), Source('mouthClose', -0.2))
    jaw = JointMap('r', LAYOUT, (joint('jaw', offset=0.1, rest=0.1, sources=sources),))
    np.testing.assert_allclose(jaw.evaluate(row(jawOpen=0.8, mouthClose=0.5)), [0.1 + 0.4 - 0.1])
    np.testing.assert_allclose(jaw.evaluate(row(jawOpen=5.0)), [1.0])


@given(st.lists(st.floats(-0.5, 1.5), min_size=1, max_size=20))
def test_curves_are_piecewise_linear_and_flat_outside(values: list[float]) -> None:
    points = ((0.1, 0.05), (0.4, 0.6), (0.7, 0.2), (0.9, 0.9))
    lid = JointMap('r', LAYOUT, (joint('lid', sources=(Source('eyeBlinkLeft', points=points),)),))
    rows = np.stack([row(eyeBlinkLeft=value) for value in values])
    np.testing.assert_allclose(
        lid.evaluate(rows)[:, 0], np.interp(values, *zip(*points, strict=True)), atol=1e-12
    )


def test_small_deviations_are_dropped_without_a_jump() -> None:
    quiet = JointMap('r', LAYOUT, (joint('eye', dead_band=0.1, sources=(Source('jawOpen', 1.0),)),))
    values = [quiet.evaluate(row(jawOpen=x))[0] for x in (0.05, 0.1, 0.101, 0.5)]
    np.testing.assert_allclose(values, [0.0, 0.0, 0.001, 0.4], atol=1e-12)


def test_followers_keep_in_step_within_their_own_limits_and_caps() -> None:
    flexor = joint('flexor', sources=(Source('jawOpen', 2.0),))
    extensor = joint('extensor', limits=(-0.3, 0.4), speed=1.0, follows=Follow('flexor', -0.5, 0.1))
    second = joint('second', limits=(-0.2, 0.2), follows=Follow('extensor', 1.0, -0.1))
    pair = JointMap('r', LAYOUT, (flexor, extensor, second))
    assert pair.driven.tolist() == [0]
    target = pair.evaluate(row(jawOpen=1.0))
    flexed, extended, third = pair.expand(target)
    assert (flexed, extended, third) == pytest.approx((0.4, -0.1, -0.2))
    assert pair.speed.tolist() == [2.0]
    assert pair.lower.tolist() == [-0.4]


def test_clearance_is_kept_by_going_back_in_step() -> None:
    lids = (
        joint('upper', limits=(0.0, 1.0), sources=(Source('eyeBlinkLeft', 1.0),)),
        joint('lower', limits=(0.0, 1.0), sources=(Source('eyeSquintLeft', 1.0),)),
        joint('free', sources=(Source('jawOpen', 1.0),)),
    )
    both = Clearance('lids', (('upper', 1.0), ('lower', 1.0)), 1.2)
    lids_map = JointMap('r', LAYOUT, lids, clearances=(both,))
    target = lids_map.evaluate(row(eyeBlinkLeft=1.0, eyeSquintLeft=0.6, jawOpen=0.3))
    np.testing.assert_allclose(target, [0.75, 0.45, 0.3])


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_any_input_gives_targets_within_limits_and_clearances(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, rng.choice([0.3, 3, 1e6]), (20, LAYOUT.width))
    rows[rng.random(rows.shape) < 0.05] = rng.choice([np.nan, np.inf, -np.inf])
    example = EXAMPLE_MAP
    targets = example.evaluate(rows)
    assert (targets >= example.lower - 1e-12).all() and (targets <= example.upper + 1e-12).all()
    assert (targets @ example.clearance.T <= example.clearance_limit + 1e-9).all()


@pytest.mark.parametrize('order', [''.join(order) for order in permutations('xyz')])
def test_neck_of_any_joint_order(order: str) -> None:
    turns = Rotation.random(200, random_state=0).as_rotvec() * 0.4
    wanted = Rotation.from_rotvec(turns).as_euler(order.upper())
    axes = tuple(f'+{axis}' for axis in order)
    np.testing.assert_allclose(neck_angles(turns, axes), wanted, atol=1e-9)
    opposite = tuple(f'-{axis}' for axis in order)
    np.testing.assert_allclose(neck_angles(turns, opposite), -wanted, atol=1e-9)
    # Two joints: the direction of the missing innermost axis is still met exactly.
    two = neck_angles(turns, axes[:2])
    reached = Rotation.from_euler(order[:2].upper(), two)
    missing = np.eye(3)['xyz'.index(order[2])]
    np.testing.assert_allclose(reached.apply(missing), Rotation.from_rotvec(turns).apply(missing), atol=1e-9)
    np.testing.assert_allclose(neck_angles([[0.3, 0.0, 0.0]], ('+x',)), [[0.3]])


def test_the_neck_of_a_map_takes_the_head_rotation() -> None:
    names = ('pan', 'tilt')
    neck = JointMap('r', LAYOUT, tuple(joint(name) for name in names), NeckMap(names, ('+z', '-y'), gain=0.5))
    values = np.zeros(LAYOUT.width)
    values[LAYOUT.head_rotation] = ros_to_flame(Rotation.from_euler('Z', 0.4).as_rotvec())
    np.testing.assert_allclose(neck.evaluate(values), [0.2, 0.0], atol=1e-12)


def test_thirty_joints_keep_their_clearances() -> None:
    big = thirty_joints()
    rows = np.random.default_rng(0).uniform(0, 1, (300, LAYOUT.width)) * np.r_[np.ones(52), 0.2, 0.2, 0.2]
    whole = big.evaluate(rows)
    for values, together in zip(rows, whole, strict=True):
        angles = big.evaluate(values)
        np.testing.assert_allclose(angles, together, atol=1e-12)
        assert angles.shape == (30,) and np.isfinite(angles).all()
        assert all(angles[i] + angles[i + 1] <= 0.3 + 1e-9 for i in range(3, 15, 2))


def test_clearances_that_share_a_joint_are_one_group() -> None:
    names = ('a', 'b', 'c', 'd')
    joints = tuple(joint(name, sources=(Source('jawOpen', 1.0),)) for name in names)
    pairs = (('a', 'b'), ('c', 'd'), ('b', 'c'))
    clearances = tuple(
        Clearance(x + y, ((x, 1.0), (y, 1.0)), 1.0 - 0.2 * i) for i, (x, y) in enumerate(pairs)
    )
    chain = JointMap('r', LAYOUT, joints, clearances=clearances)
    np.testing.assert_allclose(chain.evaluate(row(jawOpen=1.0)), 0.3)
    apart = JointMap('r', LAYOUT, joints, clearances=clearances[:2])
    np.testing.assert_allclose(apart.evaluate(row(jawOpen=1.0)), [0.5, 0.5, 0.4, 0.4])
