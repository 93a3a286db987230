# SPDX-License-Identifier: Apache-2.0
"""Joint commands to messages and back: JointTrajectory, JointState, Float64MultiArray; action units."""

from __future__ import annotations

import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.robot.trajectory import Trajectory
from diffposetalk_ros.ros.messages.stamps import duration_message, nanoseconds_of, time_message
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = [
    'action_units_message',
    'positions_by_name',
    'state_message',
    'trajectory_from_message',
    'trajectory_message',
]

Floats = NDArray[np.float64]


def trajectory_message(plan: Trajectory, names: Sequence[str], begin: int, now: int) -> Any:
    """Plan whose times count from ``begin`` (ns) -> JointTrajectory stamped ``now`` (ns).

    Velocities and accelerations are left out where the plan has none.
    """
    from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

    message = JointTrajectory(joint_names=list(names))
    message.header.stamp = time_message(now)
    parts = {
        'positions': plan.position,
        'velocities': plan.velocity,
        'accelerations': plan.acceleration,
    }
    for k, time in enumerate(plan.time):
        due = max(0, begin + round(time * NS_PER_SECOND) - now)
        point = JointTrajectoryPoint(**{name: _doubles(rows[k]) for name, rows in parts.items() if len(rows)})
        point.time_from_start = duration_message(due)
        message.points.append(point)
    return message


def trajectory_from_message(message: Any, names: Sequence[str]) -> tuple[Trajectory, NDArray[np.intp]]:
    """JointTrajectory -> trajectory of its joints, and the index in ``names`` of each.

    Raises ConfigError for unknown joints, no points, wrong lengths, NaN or times that do not rise.
    """
    unknown = [name for name in message.joint_names if name not in names]
    if unknown:
        raise ConfigError(f'no joint {", ".join(unknown)}; the robot has {", ".join(names)}')
    if not message.points:
        raise ConfigError('a trajectory without points')
    time = [nanoseconds_of(p.time_from_start) / NS_PER_SECOND for p in message.points]
    parts = [_points(message, field) for field in ('positions', 'velocities', 'accelerations')]
    if not len(parts[0]):
        raise ConfigError('a trajectory without positions')
    if (np.diff(time) <= 0).any():
        raise ConfigError('the times of the trajectory do not rise')
    places = np.array([list(names).index(name) for name in message.joint_names], np.intp)
    return Trajectory(np.array(time), *parts), places


def _points(message: Any, field: str) -> Floats:
    rows = [list(getattr(point, field)) for point in message.points]
    if not any(rows):
        return np.zeros((0, len(message.joint_names)))
    if any(len(row) != len(message.joint_names) for row in rows):
        raise ConfigError(f'{field} of the trajectory do not fit its {len(message.joint_names)} joints')
    values = np.array(rows, np.float64)
    if not np.isfinite(values).all():
        raise ConfigError(f'{field} of the trajectory are not finite')
    return values


def state_message(names: Sequence[str], stamp: int, position: ArrayLike, velocity: ArrayLike) -> Any:
    """JointState of positions and speeds (J,) at ``stamp`` ns."""
    from sensor_msgs.msg import JointState

    message = JointState(name=list(names))
    message.header.stamp = time_message(stamp)
    message.position = _doubles(position)
    message.velocity = _doubles(velocity)
    return message


def positions_by_name(message: Any, names: Sequence[str]) -> dict[str, float]:
    """Finite positions of a JointState, of the joints in ``names``."""
    pairs = zip(message.name, message.position, strict=False)
    return {name: float(value) for name, value in pairs if name in names and np.isfinite(value)}


def action_units_message(intensity: Floats, stamp: Any, frame_id: str) -> Any:
    """hri_msgs/FacialActionUnits of intensities (99,); confidence 1 where a unit is driven at all.

    Raises ConfigError when hri_msgs is not installed.
    """
    try:
        from hri_msgs.msg import FacialActionUnits
    except ImportError as error:
        raise ConfigError('action units need hri_msgs; install ros-<distro>-hri-msgs') from error
    from diffposetalk_ros.motion.action_units import DRIVEN

    message = FacialActionUnits()
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    confidence = np.zeros(len(intensity))
    confidence[list(DRIVEN)] = 1.0
    message.intensity = np.asarray(intensity, np.float32).tolist()
    message.confidence = confidence.astype(np.float32).tolist()
    return message


def _doubles(values: ArrayLike) -> array.array[float]:
    # rosidl checks each element of a list or ndarray, but takes an array.array as it is.
    return array.array('d', np.ascontiguousarray(values, np.float64).tobytes())
