# SPDX-License-Identifier: Apache-2.0
"""Run face motion through commander and simulated servos, faster than real time, to measure lags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.robot.commander import CommanderConfig, JointCommander
from diffposetalk_ros.robot.joint_map import JointMap
from diffposetalk_ros.robot.simulated_head import SimulatedHead
from diffposetalk_ros.robot.trajectory import Trajectory
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND
from diffposetalk_ros.util.resources import find_shared

__all__ = ['Recording', 'closure_offsets', 'follow_clip', 'lag_of', 'load_closures', 'map_order']

Floats = NDArray[np.float64]
_TICK = 0.005
_BEGIN = NS_PER_SECOND  # the clip begins at this simulated time


@dataclass(frozen=True)
class Recording:
    """At ``time`` (N,) s of the clip: ``wanted`` by the map and ``measured`` positions (N, J) in map order."""

    names: tuple[str, ...]
    time: Floats
    wanted: Floats
    measured: Floats

    def joint(self, name: str) -> tuple[Floats, Floats]:
        """Wanted and measured positions (N,) of one joint."""
        k = self.names.index(name)
        return self.wanted[:, k], self.measured[:, k]


def map_order(joint_map: JointMap, head: SimulatedHead) -> NDArray[np.intp]:
    """Index in the map of each joint of the robot. Raises ConfigError for joints the map lacks."""
    missing = [name for name in head.names if name not in joint_map.names]
    if missing:
        raise ConfigError(f'the map has no joint {", ".join(missing)}; it has {", ".join(joint_map.names)}')
    return np.array([joint_map.names.index(name) for name in head.names], np.intp)


def follow_clip(
    clip: MotionClip,
    joint_map: JointMap,
    head: SimulatedHead,
    config: CommanderConfig | None = None,
    look_ahead: float = 0.2,
    each_tick: Callable[[float], None] | None = None,
) -> Recording:
    """Play ``clip`` on ``head``: frames arrive when due, and the model's frames ``look_ahead`` s earlier.

    A frame represents the middle of its period. The robot executes each plan as a
    joint_trajectory_controller does. ``each_tick`` is called with the clip's time every 5 ms.
    """
    commander = JointCommander(joint_map, config)
    order, period = map_order(joint_map, head), 1.0 / commander.config.rate
    middles = np.asarray((np.arange(len(clip.values)) + 0.5) / clip.fps, np.float64)
    step = round(NS_PER_SECOND / clip.fps)
    plan: tuple[float, Trajectory] | None = None
    begun: tuple[float, Trajectory] | None = None  # until a new plan's first point, the old plan is followed
    times, measured, next_frame = [], [], 0.0
    for tick in range(int(clip.duration / _TICK)):
        now = tick * _TICK
        if plan is not None and now >= plan[0] - 1e-9:
            begun = plan
        if now >= next_frame - 1e-9:
            next_frame += period
            clock = _BEGIN + round(now * NS_PER_SECOND)
            commander.show(clock, _row_at(clip, middles, now), clock)
            first = int(np.searchsorted(middles, now, side='right'))
            known = first + int(look_ahead * clip.fps)
            if known > first:
                begin = _BEGIN + round((first + 0.5) * NS_PER_SECOND / clip.fps)
                commander.frames.foresee(0, begin, step, clip.values[first:known])
            begins = (commander.advance(clock) - _BEGIN) / NS_PER_SECOND
            plan = begins, commander.plan()
        if begun is not None:
            head.command(begun[1].at(now - begun[0])[order])
        head.step(_TICK)
        times.append(now + _TICK)
        measured.append(head.positions)
        if each_tick is not None:
            each_tick(now)
    time = np.array(times)
    rows = np.stack([np.interp(time, middles, column) for column in clip.values.T], axis=-1)
    positions = np.zeros((len(time), len(joint_map.names)))
    positions[:, order] = np.array(measured)
    return Recording(joint_map.names, time, joint_map.expand(joint_map.evaluate(rows)), positions)


def load_closures() -> Floats:
    """Middles (s) of the stretches of /p b m/ in the bundled clip. Raises ConfigError if it is not installed."""
    return np.loadtxt(find_shared('models/demo/hello_bilabials.txt'), np.float64)


def lag_of(wanted: ArrayLike, measured: ArrayLike, step: float, most: float = 0.3) -> float:
    """Shift (s) at which ``measured`` (N,) resembles ``wanted`` (N,) best; negative when it leads."""
    a, b = np.asarray(wanted, np.float64), np.asarray(measured, np.float64)
    widest = round(most / step)
    inner = slice(widest, len(a) - widest)
    errors = [np.square(b[inner] - np.roll(a, k)[inner]).mean() for k in range(-widest, widest + 1)]
    return float((int(np.argmin(errors)) - widest) * step)


def closure_offsets(time: ArrayLike, opening: ArrayLike, closures: ArrayLike, window: float = 0.14) -> Floats:
    """Time of the lowest opening (N,) within ``window`` s of each of the audible ``closures`` (s), minus it, in s.

    NaN where the opening has no minimum inside the window.
    """
    t, x = np.asarray(time, np.float64), np.asarray(opening, np.float64)
    offsets = []
    for moment in np.asarray(closures, np.float64):
        inside = np.flatnonzero(np.abs(t - moment) < window)
        lowest = int(np.argmin(x[inside])) if len(inside) else 0
        found = 0 < lowest < len(inside) - 1
        offsets.append(t[inside[lowest]] - moment if found else np.nan)
    return np.array(offsets)


def _row_at(clip: MotionClip, middles: Floats, moment: float) -> Floats:
    return np.array([np.interp(moment, middles, column) for column in clip.values.T])
