# SPDX-License-Identifier: Apache-2.0
"""Joint motion within position limits, within speed, acceleration and jerk caps, and without collisions.

There are two parts. Ruckig proposes the next state: the fastest motion to the target within the caps (Berscheid
and Kröger, "Jerk-limited Real-time Trajectory Generation with Arbitrary Target States", 2021). A
*governor* accepts it only if every joint can still stop inside its limits and clearances from there.
Otherwise the joint brakes, along the stop that was found safe one step before. The limits therefore hold
for any targets, independent of the proposal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.robot.joint_map import JointMap

__all__ = ['JointLimiter', 'JointState', 'stop_motion', 'stop_reach']

Floats = NDArray[np.float64]
_ROUNDING = 1e-9
_SHARES = (1.0, 0.6, 0.0)


@dataclass(frozen=True)
class JointState:
    """Position, velocity and acceleration (R,) of the driven joints, in rad or m and s."""

    position: Floats
    velocity: Floats
    acceleration: Floats


@dataclass(frozen=True)
class _Stop:
    """The fastest stop in the direction ``sign``: durations of its phases, peak deceleration, state."""

    sign: Floats
    times: tuple[Floats, Floats, Floats]
    peak: Floats


def _stop(velocity: Floats, acceleration: Floats, most: Floats, jerk: Floats) -> _Stop:
    # The direction is decided by the final velocity if only the acceleration were reduced to 0.
    sign = np.where(velocity + acceleration * np.abs(acceleration) / (2 * jerk) >= 0, 1.0, -1.0)
    v, a = velocity * sign, acceleration * sign
    peak = np.minimum(np.sqrt(np.maximum(jerk * v + 0.5 * a * a, 0.0)), most)
    ramp_in = np.maximum((a + peak) / jerk, 0.0)
    ramp_out = peak / jerk
    gained = v + a * ramp_in - 0.5 * jerk * ramp_in**2 - 0.5 * jerk * ramp_out**2
    hold = np.maximum(gained, 0.0) / np.maximum(peak, 1e-300)
    return _Stop(sign, (ramp_in, np.where(peak >= most * (1 - 1e-12), hold, 0.0), ramp_out), peak)


def stop_motion(state: JointState, most: Floats, jerk: Floats, time: ArrayLike) -> JointState:
    """State after ``time`` s of the fastest stop within acceleration ``most`` and ``jerk``, (R,) each."""
    stop = _stop(state.velocity, state.acceleration, most, jerk)
    q, v, a = np.zeros_like(state.position), state.velocity * stop.sign, state.acceleration * stop.sign
    left = np.broadcast_to(np.asarray(time, np.float64), q.shape)
    for duration, change in zip(stop.times, (-jerk, np.zeros_like(jerk), jerk), strict=True):
        t = np.minimum(left, duration)
        q = q + v * t + a * t**2 / 2 + change * t**3 / 6
        v = v + a * t + change * t**2 / 2
        a = a + change * t
        left = left - t
    over = left > 0
    v, a = np.where(over, 0.0, v), np.where(over, 0.0, a)
    return JointState(state.position + stop.sign * q, stop.sign * v, stop.sign * a)


def stop_reach(state: JointState, most: Floats, jerk: Floats) -> tuple[Floats, Floats, Floats]:
    """Lowest and highest position and highest speed (R,) of the fastest stop."""
    stop = _stop(state.velocity, state.acceleration, most, jerk)
    v, a = state.velocity * stop.sign, state.acceleration * stop.sign
    one, two, three = stop.times
    # Distances of the three phases; the last ends at standstill.
    speed = v + a * one - 0.5 * jerk * one**2
    end = one * (v + one * (a / 2 - jerk * one / 6)) + two * (speed - stop.peak * two / 2)
    end += jerk * three**3 / 6
    # A joint that still moves backwards while it accelerates forwards reverses first.
    turning = v < 0
    t = (a - np.sqrt(np.maximum(a * a + 2 * jerk * v, 0.0))) / jerk
    turn = np.where(turning, v * t + a * t**2 / 2 - jerk * t**3 / 6, 0.0)
    # In the stop's direction: backwards at most to the reversal, forwards at most to the end.
    back, ahead = stop.sign * np.minimum(np.minimum(turn, end), 0.0), stop.sign * np.maximum(end, 0.0)
    fastest = np.maximum(np.abs(v), np.where(a > 0, v + a * a / (2 * jerk), 0.0))
    return state.position + np.minimum(back, ahead), state.position + np.maximum(back, ahead), fastest


class JointLimiter:
    """Moves the driven joints of a map, one step of ``period`` s at a time.

    Raises ConfigError when ruckig is not installed or the period is not in 0.5 to 100 ms.
    """

    def __init__(self, joint_map: JointMap, period: float) -> None:
        if not 0.0005 <= period <= 0.1:
            raise ConfigError(f'control period {period} s; use 0.0005 to 0.1 s (10 to 2000 Hz)')
        self.map, self.period = joint_map, period
        self.refused = 0
        self._otg, self._input, self._output, self._error = self._ruckig(len(joint_map.driven), period)
        # Ruckig and the governor's arithmetic differ in the last digits.
        self._input.max_velocity = joint_map.speed * (1 - 1e-6)
        self._input.max_acceleration = joint_map.acceleration * (1 - 1e-6)
        self._input.max_jerk = joint_map.jerk * (1 - 1e-6)
        self._positive = np.maximum(joint_map.clearance, 0.0)
        self._negative = np.minimum(joint_map.clearance, 0.0)

    @staticmethod
    def _ruckig(joints: int, period: float) -> tuple[Any, Any, Any, type[Exception]]:
        try:
            import ruckig
        except ImportError as error:
            raise ConfigError('joint commands need ruckig; install it: pip install ruckig') from error
        settings = ruckig.InputParameter(joints)
        settings.synchronization = ruckig.Synchronization.No
        parts = ruckig.Ruckig(joints, period), settings, ruckig.OutputParameter(joints)
        return (*parts, ruckig.RuckigError)

    def at_rest(self) -> JointState:
        """The state of the resting face."""
        zero = np.zeros(len(self.map.rest))
        return JointState(self.map.rest.copy(), zero, zero.copy())

    def safe(self, state: JointState) -> bool:
        """Whether every joint can stop from here within limits, caps and clearances."""
        low, high, fastest = stop_reach(state, self.map.acceleration, self.map.jerk)
        return bool(self._inside(state, low, high, fastest).all() and self._clear(low, high).all())

    def slowed(self, state: JointState, share: float) -> JointState:
        """``state`` at ``share`` (0 to 1) of its speed; at a standstill if it could not stop safely from there."""
        slow = JointState(state.position, share * state.velocity, share**2 * state.acceleration)
        if share == 1.0 or self.safe(slow):
            return slow
        return JointState(state.position, np.zeros_like(slow.velocity), np.zeros_like(slow.velocity))

    def step(
        self,
        state: JointState,
        target: Floats,
        velocity: Floats | None = None,
        seconds: float | None = None,
    ) -> JointState:
        """State ``seconds`` later (None: one period), tracking ``target`` (R,) that moves with ``velocity`` (R,).

        ``state`` must be safe; the result is safe too.
        """
        joint_map = self.map
        period = self._otg.delta_time = self.period if seconds is None else seconds
        most, jerk = joint_map.acceleration, joint_map.jerk
        brake: JointState | None = None
        proposed = self._propose(state, np.clip(target, joint_map.lower, joint_map.upper), velocity)
        if proposed is None:
            self.refused += 1
            return self._clipped(stop_motion(state, most, jerk, period))
        low, high, fastest = stop_reach(proposed, most, jerk)
        good = self._inside(proposed, low, high, fastest)
        if not good.all():
            brake = stop_motion(state, most, jerk, period)
            proposed = _choose(good, proposed, brake)
            low, high, _ = stop_reach(proposed, most, jerk)
        touching = ~self._clear(low, high)
        if touching.any():
            # Joints that move towards a collision brake; those that move away from it may continue.
            before_low, before_high, _ = stop_reach(state, most, jerk)
            tolerance = 1e-12 * (1 + np.abs(state.position))  # rounding errors must not add up over hours
            adding = (self._positive[touching] > 0) & (high > before_high + tolerance)
            adding |= (self._negative[touching] < 0) & (low < before_low - tolerance)
            brake = brake or stop_motion(state, most, jerk, period)
            proposed = _choose(~np.asarray(adding.any(axis=0)), proposed, brake)
        return self._clipped(proposed)

    def ramp(self, state: JointState, times: Floats) -> tuple[Floats, Floats, Floats]:
        """Motion from ``state`` to rest at ``times`` (T,) s: positions, velocities, accelerations (T, R).

        First every joint stops. Then all go straight to rest along one minimum-jerk curve, as fast as the
        caps allow. A straight path between two points that keep the clearances keeps them too.
        """
        joint_map = self.map
        stop = _stop(state.velocity, state.acceleration, joint_map.acceleration, joint_map.jerk)
        stopped = sum(stop.times, np.zeros(len(stop.sign))).max(initial=0.0)
        begin = stop_motion(state, joint_map.acceleration, joint_map.jerk, np.inf).position
        way = joint_map.rest - begin
        duration = max(self._way_time(way), 1e-9)
        s = np.clip((times - stopped) / duration, 0.0, 1.0)[:, None]
        q = begin + way * (10 * s**3 - 15 * s**4 + 6 * s**5)
        v = way / duration * (30 * s**2 - 60 * s**3 + 30 * s**4)
        a = way / duration**2 * (60 * s - 180 * s**2 + 120 * s**3)
        for i in np.flatnonzero(times < stopped):
            now = stop_motion(state, joint_map.acceleration, joint_map.jerk, times[i])
            q[i], v[i], a[i] = now.position, now.velocity, now.acceleration
        return np.clip(q, joint_map.lower, joint_map.upper), v, a

    def ramp_time(self, state: JointState) -> float:
        """Duration of `ramp`, s."""
        joint_map = self.map
        stop = _stop(state.velocity, state.acceleration, joint_map.acceleration, joint_map.jerk)
        begin = stop_motion(state, joint_map.acceleration, joint_map.jerk, np.inf).position
        return float(
            sum(stop.times, np.zeros(len(stop.sign))).max(initial=0.0)
            + self._way_time(joint_map.rest - begin)
        )

    def slowest_ramp(self) -> Floats:
        """Longest time to rest (R,) s of each joint, starting from the farther limit at standstill."""
        ends = np.maximum(self.map.upper - self.map.rest, self.map.rest - self.map.lower)
        return self._way_times(ends)

    def _way_time(self, way: Floats) -> float:
        return float(self._way_times(np.abs(way)).max(initial=0.0))

    def _way_times(self, distance: Floats) -> Floats:
        # Peaks of the minimum-jerk curve of unit distance and time: 15/8, 10/sqrt(3), 60.
        by_speed = 1.875 * distance / self.map.speed
        by_acceleration = np.sqrt(10 / np.sqrt(3) * distance / self.map.acceleration)
        by_jerk = np.cbrt(60 * distance / self.map.jerk)
        return np.asarray(np.maximum(np.maximum(by_speed, by_acceleration), by_jerk))

    def _propose(self, state: JointState, target: Floats, velocity: Floats | None) -> JointState | None:
        data, most = self._input, self.map.speed * (1 - 1e-6)
        data.current_position = state.position
        data.current_velocity = np.clip(state.velocity, -most, most)
        limit = self.map.acceleration * (1 - 1e-6)
        data.current_acceleration = np.clip(state.acceleration, -limit, limit)
        data.target_position = target
        rate = np.zeros(len(target)) if velocity is None else np.clip(velocity, -0.95 * most, 0.95 * most)
        best: JointState | None = None
        fastest = np.full(len(target), np.inf)
        # A joint that is too close to its target to reach the target's speed would first move back to gain
        # distance. Each joint therefore uses the share of that speed with which it arrives soonest.
        for share in _SHARES if rate.any() else (0.0,):
            data.target_velocity = share * rate
            if not self._updated():
                continue
            new, seconds = self._proposal(), np.array(self._output.trajectory.independent_min_durations)
            sooner = seconds < fastest
            best = new if best is None else _choose(sooner, new, best)
            fastest = np.minimum(fastest, seconds)
            if (fastest <= 2 * self.period).all():
                break
        if best is None:
            return None
        finite = all(np.isfinite(part).all() for part in (best.position, best.velocity, best.acceleration))
        return best if finite else None

    def _proposal(self) -> JointState:
        return JointState(
            np.array(self._output.new_position),
            np.array(self._output.new_velocity),
            np.array(self._output.new_acceleration),
        )

    def _updated(self) -> bool:
        try:
            return int(self._otg.update(self._input, self._output)) >= 0
        except (self._error, ValueError):  # ValueError: an error code the Python binding does not know
            return False

    def _inside(self, state: JointState, low: Floats, high: Floats, fastest: Floats) -> NDArray[np.bool_]:
        joint_map = self.map
        slack = _ROUNDING * (1 + np.abs(joint_map.upper - joint_map.lower))
        good = (low >= joint_map.lower - slack) & (high <= joint_map.upper + slack)
        good &= fastest <= joint_map.speed * (1 + _ROUNDING)
        return good & (np.abs(state.acceleration) <= joint_map.acceleration * (1 + _ROUNDING))

    def _clear(self, low: Floats, high: Floats) -> NDArray[np.bool_]:
        reach = self._positive @ high + self._negative @ low
        return np.asarray(
            reach <= self.map.clearance_limit + _ROUNDING * (1 + np.abs(self.map.clearance_limit))
        )

    def _clipped(self, state: JointState) -> JointState:
        position = np.clip(state.position, self.map.lower, self.map.upper)
        return JointState(position, state.velocity, state.acceleration)


def _choose(first: NDArray[np.bool_], a: JointState, b: JointState) -> JointState:
    return JointState(
        np.where(first, a.position, b.position),
        np.where(first, a.velocity, b.velocity),
        np.where(first, a.acceleration, b.acceleration),
    )
