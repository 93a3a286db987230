# SPDX-License-Identifier: Apache-2.0
"""Sends whole trajectories to a robot, one after the other, for tools that move it manually."""

from __future__ import annotations

import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from diffposetalk_ros.motion.minimum_jerk import minimum_jerk
from diffposetalk_ros.robot.joint_map import JointMap
from diffposetalk_ros.robot.trajectory import Trajectory
from diffposetalk_ros.ros.messages import qos
from diffposetalk_ros.ros.messages.joints import positions_by_name, trajectory_message
from diffposetalk_ros.ros.support.private_node import private_node

__all__ = ['TrajectorySender']

Floats = NDArray[np.float64]
_PERIOD = 0.02
_LISTEN = 2.0
"""s to wait for joint_states."""


class TrajectorySender:
    """Use as a context manager; sends to ``joint_trajectory`` and listens to ``joint_states``.

    Entering it raises ConfigError as `private_node`.
    """

    def __init__(self, joint_map: JointMap) -> None:
        self._map = joint_map
        self._measured: dict[str, float] = {}
        self._stack = ExitStack()

    def __enter__(self) -> TrajectorySender:
        self._node, self._executor = self._stack.enter_context(private_node('calibrate_joints'))
        self._publisher = self._node.create_publisher(JointTrajectory, 'joint_trajectory', qos.MOTION)
        self._node.create_subscription(JointState, 'joint_states', self._on_state, qos.MOTION)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def wait(self) -> None:
        """Wait for a subscriber, and for joint_states for a limited time."""
        while self._publisher.get_subscription_count() == 0:
            self._executor.spin_once(timeout_sec=0.1)
        end = time.monotonic() + _LISTEN
        while time.monotonic() < end and len(self._measured) < len(self._map.names):
            self._executor.spin_once(timeout_sec=0.1)

    def approach(self, seconds: float = 3.0) -> None:
        """Move slowly from the robot's current position to rest.

        Without joint_states, the controller gets one point, ``seconds`` from now, and plans the path itself.
        """
        rest = self._map.expand(self._map.rest)
        if len(self._measured) < len(self._map.names):
            self._publish(np.array([seconds]), rest[None])
            return
        begin = np.array([self._measured[name] for name in self._map.names])
        times = np.arange(_PERIOD, seconds + _PERIOD / 2, _PERIOD)
        way = minimum_jerk(times / seconds)[:, None]
        self._publish(times, begin + way * (rest - begin))

    def send(self, positions: Floats) -> None:
        """Send positions (N, J), one every 20 ms; returns when the last is reached."""
        self._publish(_PERIOD * np.arange(1.0, len(positions) + 1), positions)

    def _publish(self, times: Floats, positions: Floats) -> None:
        rates = np.zeros_like(positions)
        if len(times) > 1:
            rates[:-1] = np.gradient(positions, _PERIOD, axis=0)[:-1]  # zero velocity at the last point
        plan = Trajectory(times, positions, rates, np.zeros((0, positions.shape[1])))
        # Stamp 0: begin now, on the controller's clock.
        self._publisher.publish(trajectory_message(plan, self._map.names, 0, 0))
        end = time.monotonic() + float(times[-1]) + 0.2
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.05)

    def _on_state(self, message: Any) -> None:
        self._measured |= positions_by_name(message, self._map.names)
