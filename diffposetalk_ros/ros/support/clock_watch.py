# SPDX-License-Identifier: Apache-2.0
"""Reports that simulated time is requested but nobody publishes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.clock import Clock, ClockType

from diffposetalk_ros.avatar.status import ERROR, Status

__all__ = ['NO_CLOCK', 'ClockWatch', 'clock_is_missing', 'with_clock']

NO_CLOCK = (
    'use_sim_time is true and nobody publishes /clock, so nothing moves; '
    'start the simulation, or set use_sim_time to false'
)
_PERIOD = 1.0
_PATIENCE = 2
"""Looks, a second apart, before it is said."""


def clock_is_missing(node: Any) -> bool:
    """Whether ``node`` follows simulated time that has not begun."""
    clock = node.get_clock()
    return bool(clock.ros_time_is_active) and clock.now().nanoseconds == 0


def with_clock(node: Any, statuses: Sequence[Status]) -> list[Status]:
    """``statuses`` of ``node`` and, if simulated time is missing, an error that says so.

    Publish them by a timer of the steady clock, because other timers then stand still.
    """
    return [*statuses, Status('clock', ERROR, NO_CLOCK)] if clock_is_missing(node) else list(statuses)


class ClockWatch:
    """Logs `NO_CLOCK` once if this lasts, and logs once when it is over. Uses the steady clock."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._missed = 0
        self._timer = node.create_timer(_PERIOD, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _look(self) -> None:
        if clock_is_missing(self._node):
            self._missed += 1
            if self._missed == _PATIENCE:
                self._node.get_logger().warning(NO_CLOCK)
        elif self._missed >= _PATIENCE:
            self._missed = 0
            self._node.get_logger().info('/clock has arrived')
        else:
            self._missed = 0
