# SPDX-License-Identifier: Apache-2.0
"""Simulates the example robot in MuJoCo: takes the same commands as a real one, publishes joint_states and /clock.

joint_trajectory | commands | joint_command ---> servos, physics ---> joint_states, /clock

    mujoco_node --ros-args -p map_file:=config/joint_map.yaml -p speed:=0.5
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.robot.joint_map_file import load_joint_map
from diffposetalk_ros.robot.simulated_head import SimulatedHead
from diffposetalk_ros.robot.trajectory import Trajectory
from diffposetalk_ros.ros.messages import qos
from diffposetalk_ros.ros.messages.joints import (
    positions_by_name,
    state_message,
    trajectory_from_message,
)
from diffposetalk_ros.ros.messages.stamps import nanoseconds_of, time_message
from diffposetalk_ros.ros.support.entry_point import declared, run_node
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND
from diffposetalk_ros.util.resources import find_shared

__all__ = ['MujocoNode', 'main']

_PARAMETERS = (
    ('urdf', '', 'Robot description; empty: urdf/avatar_head.urdf of this package'),
    ('map_file', '', 'Joint map that orders `commands`; empty: order of the URDF'),
    ('speed', 1.0, 'Simulated seconds per second, 0.1 to 10'),
    ('period', 0.005, 'Time between joint_states [s], 0.001 to 0.05'),
)


class _Plan(NamedTuple):
    """A trajectory whose times count from ``begin`` (s, simulated), for the joints of these indices."""

    begin: float
    path: Trajectory
    joints: NDArray[np.intp]


class MujocoNode(Node):  # type: ignore[misc,unused-ignore]
    """Simulated time begins at 0 and runs ``speed`` times as fast as the wall clock, in steps of ``period``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('mujoco_robot', **kwargs)
        value = declared(self, _PARAMETERS)
        urdf, joints = value['urdf'], value['map_file']
        self._speed, self._period = float(value['speed']), float(value['period'])
        if not 0.1 <= self._speed <= 10.0 or not 0.001 <= self._period <= 0.05:
            raise ConfigError(
                f'speed {self._speed}, period {self._period}; use 0.1 to 10 and 0.001 to 0.05 s'
            )
        self._head = SimulatedHead(urdf or find_shared('urdf/avatar_head.urdf'))
        names = load_joint_map(joints).names if joints else self._head.names
        if set(names) != set(self._head.names):
            raise ConfigError(
                f'{joints} and the robot differ in joints: {set(names) ^ set(self._head.names)}'
            )
        self._order = np.array([names.index(name) for name in self._head.names], np.intp)
        self._target = self._head.positions
        self._plan: _Plan | None = None
        self._former: _Plan | None = None
        self._states = self.create_publisher(JointState, 'joint_states', qos.MOTION)
        self._clock_out = self.create_publisher(ClockMessage, '/clock', 10)
        self.create_subscription(JointTrajectory, 'joint_trajectory', self._on_trajectory, qos.MOTION)
        self.create_subscription(Float64MultiArray, 'commands', self._on_commands, qos.MOTION)
        self.create_subscription(JointState, 'joint_command', self._on_joint_command, qos.MOTION)
        self._begin = time.monotonic()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(self._period / self._speed, self._tick, clock=steady)

    def _on_trajectory(self, message: Any) -> None:
        try:
            path, places = trajectory_from_message(message, self._head.names)
        except ConfigError as error:
            self.get_logger().warning(f'joint_trajectory ignored: {error}', throttle_duration_sec=5.0)
            return
        begin = nanoseconds_of(message.header.stamp) / NS_PER_SECOND
        # Like a joint_trajectory_controller: stamp 0 begins now, and a new trajectory replaces the old one.
        # Until its first point, the old one is still followed.
        self._former, self._plan = self._plan, _Plan(begin or self._head.time, path, places)

    def _on_commands(self, message: Any) -> None:
        if len(message.data) != len(self._order) or not np.isfinite(message.data).all():
            self.get_logger().warning(
                f'commands ignored: {len(message.data)} values for {len(self._order)} joints, or not finite',
                throttle_duration_sec=5.0,
            )
            return
        self._former = self._plan = None
        self._target = np.array(message.data)[self._order]

    def _on_joint_command(self, message: Any) -> None:
        given = positions_by_name(message, self._head.names)
        self._former = self._plan = None
        self._target = np.array([given.get(n, self._target[i]) for i, n in enumerate(self._head.names)])

    def _tick(self) -> None:
        due = (time.monotonic() - self._begin) * self._speed
        if due - self._head.time > 1.0:  # the machine was suspended, so simulated time waits
            self._begin = time.monotonic() - self._head.time / self._speed
            return
        while self._head.time + self._period <= due:
            for plan in (self._former, self._plan):
                if plan is not None and self._head.time >= plan.begin + plan.path.time[0]:
                    self._target[plan.joints] = plan.path.at(self._head.time - plan.begin)
            self._head.command(self._target)
            self._head.step(self._period)
            now = round(self._head.time * NS_PER_SECOND)
            self._clock_out.publish(ClockMessage(clock=time_message(now)))
            self._states.publish(
                state_message(self._head.names, now, self._head.positions, self._head.velocities)
            )


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of mujoco_node: 2 on a user error."""
    return run_node('mujoco_node', MujocoNode, args, about=__doc__, table=_PARAMETERS)


if __name__ == '__main__':
    raise SystemExit(main())
