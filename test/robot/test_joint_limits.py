# SPDX-License-Identifier: Apache-2.0
"""Whatever the targets: limits, speed, acceleration, jerk and clearances hold, and it stays quick."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ruckig = pytest.importorskip('ruckig')

from diffposetalk_ros.errors import ConfigError  # noqa: E402
from diffposetalk_ros.robot.joint_limits import JointLimiter, JointState, stop_motion, stop_reach  # noqa: E402
from diffposetalk_ros.robot.joint_map_file import load_joint_map  # noqa: E402

EXAMPLE = load_joint_map(Path(__file__).parents[2] / 'config' / 'joint_map.yaml')
SEEDS = st.integers(0, 2**32 - 1)


def states(seed: int, count: int = 40) -> tuple[JointState, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    most, jerk = rng.uniform(1, 500, count), rng.uniform(10, 50000, count)
    acceleration = most * rng.uniform(-1, 1, count)
    return JointState(rng.normal(0, 1, count), rng.normal(0, 3, count), acceleration), most, jerk


@settings(deadline=None, max_examples=30)
@given(SEEDS)
def test_stop_ends_at_standstill_within_its_reach_and_caps(seed: int) -> None:
    state, most, jerk = states(seed)
    low, high, fastest = stop_reach(state, most, jerk)
    end = stop_motion(state, most, jerk, np.inf)
    assert np.abs(end.velocity).max() == np.abs(end.acceleration).max() == 0
    longest = 2 * (np.abs(state.velocity).max() / most.min() + 2 * most.max() / jerk.min())
    moments = np.linspace(0, min(longest, 5.0), 120)
    path = [stop_motion(state, most, jerk, moment) for moment in moments]
    q, v, a = (np.stack([getattr(s, n) for s in path]) for n in ('position', 'velocity', 'acceleration'))
    slack = 1e-9 * (1 + np.abs(q).max())
    assert (q >= low - slack).all() and (q <= high + slack).all()
    assert (np.abs(v) <= fastest + slack).all() and (np.abs(a) <= most + slack).all()
    # The rate of change of each is the next, with jerk at its cap.
    step = moments[1] - moments[0]
    assert (np.abs(np.diff(a, axis=0)) <= jerk * step * (1 + 1e-9) + slack).all()
    assert (np.abs(np.diff(q, axis=0)) <= fastest * step + slack).all()


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.sampled_from([0.002, 0.005, 0.01, 0.02, 0.05]))
def test_nothing_exceeds_its_cap_for_any_targets(seed: int, period: float) -> None:
    rng = np.random.default_rng(seed)
    limiter = JointLimiter(EXAMPLE, period)
    state = limiter.at_rest()
    target, wild = EXAMPLE.rest, rng.uniform(0.1, 3)
    for _ in range(150):
        if rng.random() < 0.2:
            target = EXAMPLE.rest + wild * rng.normal(size=len(EXAMPLE.rest)) * (
                EXAMPLE.upper - EXAMPLE.lower
            )
        speed = None if rng.random() < 0.3 else rng.normal(0, wild, len(target)) * EXAMPLE.speed
        new = limiter.step(state, target, speed)
        assert limiter.safe(new)
        assert (new.position >= EXAMPLE.lower).all() and (new.position <= EXAMPLE.upper).all()
        assert (EXAMPLE.clearance @ new.position <= EXAMPLE.clearance_limit + 1e-6).all()
        for value, before, cap in (
            (new.velocity, state.velocity, EXAMPLE.acceleration),
            (new.position, state.position, EXAMPLE.speed),
            (new.acceleration, state.acceleration, EXAMPLE.jerk),
        ):
            assert (np.abs(value - before) <= cap * period * (1 + 1e-5)).all()
        assert (np.abs(new.velocity) <= EXAMPLE.speed * (1 + 1e-6)).all()
        assert (np.abs(new.acceleration) <= EXAMPLE.acceleration * (1 + 1e-6)).all()
        state = new


def test_steps_are_as_fast_as_the_caps_allow() -> None:
    limiter = JointLimiter(EXAMPLE, 0.01)
    state, k = limiter.at_rest(), EXAMPLE.names.index('jaw')
    target = EXAMPLE.rest.copy()
    target[k] = EXAMPLE.upper[k]
    steps = 0
    while abs(state.position[k] - target[k]) > 1e-4:
        state, steps = limiter.step(state, target), steps + 1
    one = ruckig.InputParameter(1)
    one.current_position, one.target_position = [0.0], [target[k]]
    one.max_velocity, one.max_acceleration = [EXAMPLE.speed[k]], [EXAMPLE.acceleration[k]]
    one.max_jerk = [EXAMPLE.jerk[k]]
    fastest = ruckig.Trajectory(1)
    ruckig.Ruckig(1).calculate(one, fastest)
    assert steps * 0.01 <= fastest.duration + 0.011


def test_a_moving_target_is_followed_less_than_a_period_behind() -> None:
    limiter = JointLimiter(EXAMPLE, 0.02)
    state, k = limiter.at_rest(), EXAMPLE.names.index('jaw')
    errors = []
    for i in range(1, 100):
        phase = 2 * np.pi * 1.5 * i * 0.02
        target, speed = EXAMPLE.rest.copy(), np.zeros(len(EXAMPLE.rest))
        target[k], speed[k] = 0.15 - 0.1 * np.cos(phase), 0.1 * 2 * np.pi * 1.5 * np.sin(phase)
        state = limiter.step(state, target, speed)
        errors.append(state.position[k] - target[k])
    assert np.abs(errors[20:]).max() < 0.02 * 0.1 * 2 * np.pi * 1.5


def test_a_target_that_turns_corners_is_not_run_away_from() -> None:
    limiter = JointLimiter(EXAMPLE, 0.01)
    state, k = limiter.at_rest(), EXAMPLE.names.index('jaw')
    rng = np.random.default_rng(0)
    rises = np.repeat(rng.uniform(-3, 3, 100), 4) * 0.01  # rad a period: 25 corners a second
    path = np.clip(0.19 + np.cumsum(rises - rises.mean()), 0.02, 0.36)
    speeds = np.gradient(path, 0.01)
    away = []
    for target, speed in zip(path, speeds, strict=True):
        goal, rate = EXAMPLE.rest.copy(), np.zeros(len(EXAMPLE.rest))
        goal[k], rate[k] = target, speed
        new = limiter.step(state, goal, rate)
        gap, moved = target - state.position[k], new.position[k] - state.position[k]
        # Braking is no run-up: the joint has to have stood or moved towards the target before.
        if state.velocity[k] * gap >= 0 and gap * speed >= 0:
            away.append(-moved * np.sign(gap))
        state = new
    assert len(away) > 100 and max(away) < 0.002


def test_blocked_lids_wait_and_then_go_on() -> None:
    limiter = JointLimiter(EXAMPLE, 0.01)
    upper, lower = EXAMPLE.names.index('lid_upper_left'), EXAMPLE.names.index('lid_lower_left')
    target = EXAMPLE.rest.copy()
    target[upper], target[lower] = 1.1, 0.05
    state = limiter.at_rest()
    for _ in range(50):
        state = limiter.step(state, target)
    target[upper], target[lower] = 0.4, 0.5
    for _ in range(50):
        state = limiter.step(state, target)
    np.testing.assert_allclose(state.position[[upper, lower]], [0.4, 0.5], atol=1e-3)


@settings(deadline=None, max_examples=25)
@given(SEEDS)
def test_ramp_to_rest_keeps_caps_and_clearances_from_any_moving_state(seed: int) -> None:
    rng = np.random.default_rng(seed)
    limiter = JointLimiter(EXAMPLE, 0.01)
    state, target = limiter.at_rest(), EXAMPLE.upper
    for _ in range(int(rng.integers(1, 60))):
        if rng.random() < 0.2:
            target = rng.uniform(EXAMPLE.lower, EXAMPLE.upper)
        state = limiter.step(state, target)
    seconds = limiter.ramp_time(state)
    assert seconds <= 0.5
    times = np.linspace(0, seconds, 300)
    q, v, a = limiter.ramp(state, times)
    step = times[1]
    np.testing.assert_allclose(q[0], state.position, atol=1e-9)
    np.testing.assert_allclose(q[-1], EXAMPLE.rest, atol=1e-9)
    np.testing.assert_allclose(v[-1], 0, atol=1e-9)
    assert (q >= EXAMPLE.lower).all() and (q <= EXAMPLE.upper).all()
    assert (q @ EXAMPLE.clearance.T <= EXAMPLE.clearance_limit + 1e-6).all()
    assert (np.abs(v) <= EXAMPLE.speed * (1 + 1e-6)).all()
    assert (np.abs(a) <= EXAMPLE.acceleration * (1 + 1e-6)).all()
    assert (np.abs(np.diff(q, axis=0)) <= EXAMPLE.speed * step * (1 + 1e-6) + 1e-9).all()
    assert (np.abs(np.diff(v, axis=0)) <= EXAMPLE.acceleration * step * (1 + 1e-6) + 1e-9).all()


def test_unusable_period_is_refused() -> None:
    with pytest.raises(ConfigError, match='control period'):
        JointLimiter(EXAMPLE, 0.2)
