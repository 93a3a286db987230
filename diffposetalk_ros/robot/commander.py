# SPDX-License-Identifier: Apache-2.0
"""Converts face frames to timed joint commands: tracking, and motion to rest when anything goes wrong.

    TRACKING --- no frame for stale_after, stop() ---> RAMPING ---> RESTING
        ^                                                 |            |
        '---- frames again, release(), can stop safely ---'------------'

Every plan ends at rest, so a controller that receives nothing more comes to rest by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.robot.frames import FrameBuffer
from diffposetalk_ros.robot.joint_limits import JointLimiter, JointState
from diffposetalk_ros.robot.joint_map import JointMap
from diffposetalk_ros.robot.trajectory import Trajectory
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['CommanderConfig', 'CommanderMode', 'JointCommander']

Floats = NDArray[np.float64]


class CommanderMode(Enum):
    """State of the joints."""

    RESTING = 'resting'
    TRACKING = 'tracking'
    RAMPING = 'ramping'


@dataclass(frozen=True)
class CommanderConfig:
    """``rate`` Hz of commands, ``stale_after`` s without a frame until the motion to rest begins.

    ``horizon``: a plan contains at most this many seconds of known motion and then goes to rest.
    """

    rate: float = 50.0
    stale_after: float = 0.15
    compensate_delay: bool = True
    horizon: float = 0.5

    def __post_init__(self) -> None:
        if not 10.0 <= self.rate <= 1000.0:
            raise ConfigError(f'rate {self.rate} Hz; use 10 to 1000')
        if not 0.02 <= self.stale_after <= 2.0:
            raise ConfigError(f'stale_after {self.stale_after} s; use 0.02 to 2')
        if not 0.05 <= self.horizon <= 5.0:
            raise ConfigError(f'horizon {self.horizon} s; use 0.05 to 5')


_EARLY = 0.9
"""Commands that follow each other within a smaller share of the period would exceed the limits of speed."""
_SHORTEST = 0.5
"""Share of the period after which another single position is sent."""
_REGAIN = 0.2
"""Share of its pace that the motion to rest regains with each command after a late one."""


class JointCommander:
    """Owned by one thread; times are integers in ns of one clock, passed in. Raises what JointLimiter does."""

    def __init__(self, joint_map: JointMap, config: CommanderConfig | None = None) -> None:
        self.map, self.config = joint_map, config or CommanderConfig()
        self.limiter = JointLimiter(joint_map, 1.0 / self.config.rate)
        self.frames = FrameBuffer(joint_map.layout.width)
        self.mode = CommanderMode.RESTING
        self.bad_frames = 0
        self.missing_look_ahead = 0.0
        self._period = round(NS_PER_SECOND / self.config.rate)
        delay = joint_map.delay if self.config.compensate_delay else np.zeros(len(joint_map.delay))
        self._delays, self._delay_of = np.unique(
            np.round(delay * NS_PER_SECOND).astype(np.int64), return_inverse=True
        )
        self._state = self.limiter.at_rest()
        self._time: int | None = None
        self._called: int | None = None
        self._sent: int | None = None
        self._step, self._share = self._period, 1.0
        self._stopped = False
        self._heard: int | None = None
        self._ramp_from: tuple[int, JointState, float] | None = None

    # ---- input -----------------------------------------------------------------------------------

    def start_at(self, position: ArrayLike) -> None:
        """Begin at measured positions (R,) of the driven joints, at standstill."""
        clipped = np.clip(np.asarray(position, np.float64), self.map.lower, self.map.upper)
        zero = np.zeros(len(clipped))
        self._state = JointState(self.map.clear(clipped), zero, zero.copy())
        # The motion to rest begins with the next command, however short the pause before it was.
        self._time = None
        self._begin_ramp(0)

    def show(self, due: int, row: ArrayLike, now: int) -> None:
        """A frame (D,) due at ``due``, received at ``now``. Frames with NaN count as not received."""
        if self.frames.show(due, row):
            self._heard = now
        else:
            self.bad_frames += 1

    def stop(self) -> None:
        """Emergency stop: move to rest from the next command on, until `release`."""
        self._stopped = True

    def release(self) -> None:
        """End the emergency stop."""
        self._stopped = False

    # ---- output ----------------------------------------------------------------------------------

    @property
    def stopped(self) -> bool:
        """Whether the emergency stop is active."""
        return self._stopped

    @property
    def state(self) -> JointState:
        """Driven joints at the newest command."""
        return self._state

    def positions(self) -> Floats:
        """Commanded positions (J,) of all joints."""
        return self.map.expand(self._state.position)

    def advance(self, now: int) -> int:
        """Compute the next command; returns its time, the first of the grid after ``now``.

        One call moves the joints by at most what their limits allow in one period. Late calls and a clock that was
        set back are not compensated. A call too soon after the last one changes nothing.
        """
        since = None if self._called is None else now - self._called
        if since is not None and 0 <= since < _EARLY * self._period and self._time is not None:
            return self._time
        self._called = now
        if self._time is None or not -NS_PER_SECOND // 4 <= now - self._time < self._period:
            shift = now - (self._time or now)
            self._time = now
            if self._ramp_from is not None:
                begin, state, seconds = self._ramp_from
                self._ramp_from = (begin + shift if begin else now, state, seconds)
        if self._time <= now:
            self._decide(self._time)
            self._time += self._period
            self._state = self._next(self._state, self._time, self._period)
        return self._time

    def next_position(self, now: int) -> int | None:
        """Compute the position to send at ``now``, for outputs that carry a single position.

        Returns its time, one period after ``now``, or None if nothing is to be sent because the last position
        was sent less than half a period ago. Speed and acceleration hold by the times that `sent` is told: the
        joints move for as long as has passed since then, at most one period, and continue at the speed at which
        the last position was reached. A late call is therefore not compensated.
        """
        passed = self._period if self._sent is None else now - self._sent
        if 0 <= passed < _SHORTEST * self._period and self._time is not None:
            return None
        if passed < 0:  # the clock was set back
            passed = self._period
        step = max(1, min(passed, self._period))
        ramping = self.mode is CommanderMode.RAMPING and self._time is not None
        if ramping:
            step = max(1, min(step, round(passed * (self._share + _REGAIN))))
        else:
            self._slow_down()
        begin = now + self._period - step
        if self._ramp_from is not None:
            since, state, seconds = self._ramp_from
            self._ramp_from = (begin if self._time is None else since + begin - self._time, state, seconds)
        self._decide(begin)
        if ramping and self.mode is CommanderMode.TRACKING:
            self._slow_down()
        self._step, self._time = step, now + self._period
        self._state = self._next(self._state, self._time, step)
        return self._time

    def sent(self, now: int) -> None:
        """The position of the last `next_position` has been sent, at the latest at ``now``."""
        if self._sent is not None and now > self._sent:
            self._share = min(1.0, self._step / (now - self._sent))
        self._sent = now

    def plan(self) -> Trajectory:
        """Known motion from the newest command on, then the motion to rest: (T,) s, (T, J) each.

        Times count from the newest command, which is the first point.
        """
        begin = self._time or 0
        states = [self._state]
        if self.mode is CommanderMode.TRACKING:
            last = self._tracked_until(begin)
            moments = np.arange(begin + self._period, last + 1, self._period, dtype=np.int64)
            for target, rate in zip(*self._targets(moments), strict=True):
                states.append(self.limiter.step(states[-1], target, rate))
        end = states[-1]
        if self.mode is CommanderMode.RAMPING and self._ramp_from is not None:
            since, end, seconds = self._ramp_from
            offset = (begin - since) / NS_PER_SECOND
            seconds = max(0.0, seconds - offset)
        else:
            offset, seconds = 0.0, self.limiter.ramp_time(end)
        count = int(np.ceil(seconds * self.config.rate)) if seconds > 1e-9 else 0
        steps, tail = np.arange(len(states)), np.arange(1, count + 1)
        q, v, a = self.limiter.ramp(end, tail / self.config.rate + offset)
        position = np.concatenate([[state.position for state in states], q])
        velocity = np.concatenate([[state.velocity for state in states], v])
        acceleration = np.concatenate([[state.acceleration for state in states], a])
        time = np.concatenate([steps, steps[-1] + tail]) / self.config.rate
        rates = self.map.expand_rates
        return Trajectory(time, self.map.expand(position), rates(velocity), rates(acceleration))

    # ---- inside ----------------------------------------------------------------------------------

    def _tracked_until(self, begin: int) -> int:
        known, heard = self.frames.known_until, self._heard
        assert known is not None and heard is not None
        until = max(known, heard + round(self.config.stale_after * NS_PER_SECOND))
        return min(until, begin + round(self.config.horizon * NS_PER_SECOND))

    def _fresh(self, now: int) -> bool:
        if self._heard is None or self.frames.shown_until is None:
            return False
        stale = round(self.config.stale_after * NS_PER_SECOND)
        # After the clock was set back by more, what was received before does not count.
        return -max(stale, self._period) <= now - self._heard <= stale

    def _decide(self, now: int) -> None:
        wanted = not self._stopped and self._fresh(now)
        if self.mode is CommanderMode.TRACKING:
            if not wanted:
                self._begin_ramp(now)
        elif wanted and self.limiter.safe(self._state):
            self.mode, self._ramp_from = CommanderMode.TRACKING, None
        elif self._ramp_from is not None and now - self._ramp_from[0] >= self._ramp_from[2] * NS_PER_SECOND:
            self.mode, self._ramp_from = CommanderMode.RESTING, None
            self._state = self.limiter.at_rest()

    def _begin_ramp(self, now: int) -> None:
        self.mode = CommanderMode.RAMPING
        self._ramp_from = (now, self._state, self.limiter.ramp_time(self._state))

    def _slow_down(self) -> None:
        """Continue at the speed at which the last position was reached."""
        self._state, self._share = self.limiter.slowed(self._state, self._share), 1.0

    def _next(self, state: JointState, moment: int, step: int) -> JointState:
        """State at ``moment``, ``step`` ns after ``state``."""
        if self.mode is CommanderMode.TRACKING:
            targets, rates = self._targets(np.array([moment], np.int64))
            known = self.frames.known_until or moment
            self.missing_look_ahead = max(0, moment + int(self._delays[-1]) - known) / NS_PER_SECOND
            return self.limiter.step(state, targets[0], rates[0], step / NS_PER_SECOND)
        if self.mode is CommanderMode.RAMPING and self._ramp_from is not None:
            since, begin, _ = self._ramp_from
            q, v, a = self.limiter.ramp(begin, np.array([(moment - since) / NS_PER_SECOND]))
            return JointState(q[0], v[0], a[0])
        return self.limiter.at_rest()

    def _targets(self, moments: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Targets and their speeds (N, R) at ``moments``, with each joint advanced by its lag."""
        if not len(moments):
            empty = np.zeros((0, len(self.map.driven)))
            return empty, empty
        half = self._period // 2
        wanted = moments[:, None, None] + self._delays[None, :, None] + np.array([-half, 0, half])
        rows = self.frames.at(wanted.reshape(-1))
        targets = self.map.evaluate(rows).reshape(*wanted.shape, -1)
        # (N, delay, 3, R) -> each joint's own delay
        own = targets[:, self._delay_of, :, np.arange(len(self._delay_of))].transpose(1, 0, 2)
        return own[..., 1], (own[..., 2] - own[..., 0]) / (2 * half / NS_PER_SECOND)
