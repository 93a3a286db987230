# SPDX-License-Identifier: Apache-2.0
"""Slow sweeps of single face channels through a joint map, for calibration by a person who watches."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.robot.joint_limits import JointLimiter
from diffposetalk_ros.robot.joint_map import Joint, JointMap

__all__ = ['Sweep', 'channels_used', 'scale_channel', 'sweep']

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sweep:
    """Positions (N, J) of all joints, one a period, while ``channel`` goes from 0 to 1 and back."""

    channel: str
    positions: Floats

    def moving(self, joint_map: JointMap, least: float = 1e-4) -> list[tuple[str, float, float]]:
        """(joint, lowest, highest) of the joints that move."""
        low, high = self.positions.min(axis=0), self.positions.max(axis=0)
        return [
            (name, float(low[k]), float(high[k]))
            for k, name in enumerate(joint_map.names)
            if high[k] - low[k] > least
        ]


def channels_used(joint_map: JointMap) -> list[str]:
    """Channels that move a joint, in the order of the layout; with a neck, the head's rotation too."""
    used = {source.channel for joint in joint_map.joints for source in joint.sources}
    if joint_map.neck is not None:
        used |= {'headRotationX', 'headRotationY', 'headRotationZ'}
    return [name for name in joint_map.layout.names if name in used]


def sweep(joint_map: JointMap, channel: str, seconds: float = 3.0, period: float = 0.02) -> Sweep:
    """Commands for 0 -> 1 -> 0 (head rotations 0 -> 0.3 rad -> 0) within limits and caps."""
    limiter = JointLimiter(joint_map, period)
    top = 0.3 if channel.startswith('headRotation') else 1.0
    state, positions = limiter.at_rest(), []
    count = max(2, round(seconds / period))
    for k in range(count + round(0.3 / period)):
        row = np.zeros(joint_map.layout.width)
        share = min(k / count, 1.0)
        row[joint_map.layout.index(channel)] = top * 0.5 * (1 - np.cos(2 * np.pi * share))
        state = limiter.step(state, joint_map.evaluate(row))
        positions.append(joint_map.expand(state.position))
    return Sweep(channel, np.array(positions))


def scale_channel(joint_map: JointMap, channel: str, factor: float) -> JointMap:
    """The map with one channel multiplied by ``factor`` in every joint."""

    def corrected(joint: Joint) -> Joint:
        sources = (source.scaled(factor) if source.channel == channel else source for source in joint.sources)
        return replace(joint, sources=tuple(sources))

    joints = tuple(corrected(joint) for joint in joint_map.joints)
    return JointMap(joint_map.robot, joint_map.layout, joints, joint_map.neck, joint_map.clearances)
