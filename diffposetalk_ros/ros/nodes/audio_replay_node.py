# SPDX-License-Identifier: Apache-2.0
"""Replays the audio messages of a bag with their original intervals and shifts their stamps to the current time.

With the same model, parameters and seed the motion of the avatar is bit-identical, because it depends only on the
sound. Compare `face_motion_chunk`; `face_motion` samples the same motion at other times.

    audio_replay_node --ros-args -p file:=take.mcap
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.ros.messages.audio import message_class
from diffposetalk_ros.ros.messages.stamps import nanoseconds_of, time_message
from diffposetalk_ros.ros.recording.motion_bag import read_sound_bag
from diffposetalk_ros.ros.support.delivery import wait_until_received
from diffposetalk_ros.ros.support.entry_point import declared, run_node

__all__ = ['AudioReplayNode', 'main']

_PERIOD = 0.005
_PARAMETERS = (
    ('file', '', 'MCAP file or folder of a bag'),
    ('topic', '', 'Topic in the bag; needed if the bag holds several sounds'),
    ('wait_for', 1, 'Start when there are this many subscribers'),
)


class AudioReplayNode(Node):  # type: ignore[misc,unused-ignore]
    """Publishes the recorded messages on ``audio`` (and ``audio_info``); `done` when all are sent.

    Raises DiffPoseTalkError for a bag without sound, or a type of message that is not installed.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('audio_replay', **kwargs)
        self.done = False
        value = declared(self, _PARAMETERS)
        file, topic, self._wait_for = value['file'], value['topic'], value['wait_for']
        if not file:
            raise ConfigError('no bag to replay; give --ros-args -p file:=take.mcap')
        self._waiting = read_sound_bag(file, topic)
        depth = QoSProfile(depth=min(20000, len(self._waiting)))
        self._kinds = {kind: message_class(kind) for kind in {_kind(m.kind) for m in self._waiting}}
        self.publishers_made = {
            kind: self.create_publisher(made, 'audio_info' if kind == 'AudioInfo' else 'audio', depth)
            for kind, made in self._kinds.items()
        }
        self._moved: int | None = None
        self._next = 0
        self.create_timer(_PERIOD, self._tick)

    def _tick(self) -> None:
        now = self.get_clock().now().nanoseconds
        if self._moved is None:
            if any(made.get_subscription_count() < self._wait_for for made in self.publishers_made.values()):
                return
            self._moved = now - self._waiting[0].time
        while self._next < len(self._waiting) and self._waiting[self._next].time + self._moved <= now:
            recorded = self._waiting[self._next]
            kind = _kind(recorded.kind)
            message = deserialize_message(recorded.data, self._kinds[kind])
            stamp = message.header.stamp if hasattr(message, 'header') else None
            if stamp is not None and (stamp.sec or stamp.nanosec):
                moved = nanoseconds_of(stamp) + self._moved
                message.header.stamp = time_message(max(0, moved))
            self.publishers_made[kind].publish(message)
            self._next += 1
        self.done = self._next == len(self._waiting)


def _kind(full: str) -> str:
    return full.rsplit('/', 1)[1]


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of audio_replay_node: 0 when all is sent, 2 on a user error."""
    return run_node('audio_replay_node', AudioReplayNode, args, _replay, about=__doc__, table=_PARAMETERS)


def _replay(node: AudioReplayNode) -> None:
    while rclpy.ok() and not node.done:
        rclpy.spin_once(node, timeout_sec=0.5)
    for publisher in node.publishers_made.values():
        wait_until_received(node, publisher)


if __name__ == '__main__':
    raise SystemExit(main())
