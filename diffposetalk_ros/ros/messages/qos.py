# SPDX-License-Identifier: Apache-2.0
"""One quality-of-service profile per topic, with the reason; all can be overridden by parameters."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

__all__ = [
    'AUDIO',
    'AUDIO_BEST_EFFORT',
    'AUDIO_INFO',
    'AUDIO_OUT',
    'CHUNK',
    'DIAGNOSTICS',
    'INFO',
    'JOINT_STATES',
    'MOTION',
    'STYLE',
    'TF',
    'overridable',
]

# A reliable publisher is received without loss. The queue holds ten minutes in messages of 10 ms, because speech
# synthesis may send that much while the node is busy.
AUDIO = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=60_000,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)

# Microphones publish best effort, which does not match a reliable subscription.
AUDIO_BEST_EFFORT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=200,
    reliability=ReliabilityPolicy.BEST_EFFORT,
    durability=DurabilityPolicy.VOLATILE,
)

# ros-drivers sends it every 5 s, volatile: a latched subscriber would not match.
AUDIO_INFO = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE)

# Volatile, because `ros2 topic pub` is; latched publishers match too.
STYLE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE)

# Reliable serves both kinds of subscriber. The queue is short, so that a slow renderer gets recent frames.
MOTION = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE)

# Frames of a burst may arrive faster than a consumer reads them, and none is sent twice.
CHUNK = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE)

# Like tf2's broadcaster.
TF = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE)

# Latched, so that late subscribers also learn what the channels mean.
INFO = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)

# A reliable publisher serves both kinds of player. The queue is deep enough for a burst.
AUDIO_OUT = QoSProfile(
    depth=200, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE
)

# Best effort: many drivers publish it as sensor data.
JOINT_STATES = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)

# Like diagnostic_updater.
DIAGNOSTICS = QoSProfile(depth=10)


def overridable(name: str = '') -> QoSOverridingOptions:
    """Read-only parameters ``qos_overrides.<topic>.<publisher|subscription>[_<name>].<policy>``."""
    return QoSOverridingOptions.with_default_policies(entity_id=name or None)
