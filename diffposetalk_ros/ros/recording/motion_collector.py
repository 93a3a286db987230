# SPDX-License-Identifier: Apache-2.0
"""Collects published motion, on request with its sound, and makes a clip or a file of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from rclpy.qos import QoSProfile, ReliabilityPolicy

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.files.motion_file import save_motion
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.ros.messages import qos
from diffposetalk_ros.ros.messages.audio import default_kind, has_portaudio_form, message_class
from diffposetalk_ros.ros.recording.clip_of_messages import clip_from_messages, lost_frames
from diffposetalk_ros.ros.recording.journal import Journal
from diffposetalk_ros.ros.recording.motion_bag import BagMessage, write_motion_bag
from diffposetalk_ros.util.output_file import destination

__all__ = ['MotionCollector']

_DEEP = QoSProfile(depth=1000)
# Best effort matches publishers of either reliability; the queue must hold a burst.
_DEEP_AUDIO = QoSProfile(depth=20000, reliability=ReliabilityPolicy.BEST_EFFORT)


class MotionCollector:
    """Keeps every FaceMotion that arrives on ``node``, and the latched info that describes it.

    With ``sound``, one of the types of audio_common_msgs or 'auto', it also keeps the messages on ``audio``.
    With ``target`` everything is written there, or beside it, as it arrives (`Journal`).
    Raises AudioError for a type that is not installed.
    """

    def __init__(
        self, node: Any, info_topic: str = 'diffposetalk/info', sound: str = '', target: Path | None = None
    ) -> None:
        from diffposetalk_ros.msg import FaceMotion, FaceMotionInfo

        self.info: Any = None
        self.frames: list[Any] = []
        self.received: list[int] = []
        self._clock = node.get_clock()
        self.subscriptions = [
            node.create_subscription(FaceMotionInfo, info_topic, self._on_info, qos.INFO),
            node.create_subscription(FaceMotion, 'face_motion', self._on_frame, _DEEP),
        ]
        info, motion = (subscription.topic_name for subscription in self.subscriptions)
        self.journal = None if target is None else Journal(target, (motion, info))
        self.sound: list[BagMessage] = []
        if sound:
            self._keep(node, default_kind() if sound == 'auto' else sound, 'audio', _DEEP_AUDIO)
            if not has_portaudio_form():
                self._keep(node, 'AudioInfo', 'audio_info', qos.AUDIO_INFO)

    def _keep(self, node: Any, kind: str, topic: str, profile: QoSProfile) -> None:
        def keep(data: bytes) -> None:
            now = self._clock.now().nanoseconds
            message = BagMessage(subscription.topic_name, f'audio_common_msgs/msg/{kind}', now, data)
            if self.journal is None:
                self.sound.append(message)
            else:
                self.journal.sound(message)

        subscription = node.create_subscription(message_class(kind), topic, keep, profile, raw=True)
        self.subscriptions.append(subscription)

    def _on_info(self, message: Any) -> None:
        self.info = message
        if self.journal is not None:
            self.journal.info(message, self._clock.now().nanoseconds)

    def _on_frame(self, message: Any) -> None:
        now = self._clock.now().nanoseconds
        self.received.append(now)
        self.frames.append(message)
        if self.journal is not None:
            self.journal.frame(message, now)

    @property
    def missing(self) -> int:
        """Frames lost between the first and the last received, by their numbers."""
        return lost_frames(self.frames)

    def clip(self) -> MotionClip:
        """Everything received as one clip; a lost frame repeats the one before it.

        Raises MotionError when nothing was received.
        """
        return clip_from_messages(self.info, self.frames)

    def save(self, path: Path) -> MotionClip:
        """Write what was received as .mcap, .npz, .csv or .json, and return it as a clip.

        Raises DiffPoseTalkError when nothing was received or the file cannot be written.
        """
        clip = self.clip()
        if path.suffix.lower() == '.mcap':
            motion, info = self.subscriptions[1].topic_name, self.subscriptions[0].topic_name
            write_motion_bag(path, self.info, self.frames, self.received, (motion, info), self.sound)
        else:
            save_motion(path, clip)
        return clip

    def finish(self) -> MotionClip:
        """Complete the take of a collector with a ``target``, and remove the temporary file beside it.

        Raises MotionError if nothing was received, or if the disk is full; the error names the file with the rest.
        """
        journal = self.journal
        assert journal is not None, 'only with a target'
        journal.finish()
        kept = journal.path
        if journal.failure is not None:
            where = (
                f'{len(self.frames)} frames came, and what could be written is in {kept}'
                if kept
                else 'check it'
            )
            raise MotionError(f'{journal.target}: cannot be written ({journal.failure.strerror}); {where}')
        clip = self.clip()
        assert kept is not None, 'there is an info'
        try:
            if kept.suffix != '.mcap':
                save_motion(journal.target, clip)
            elif kept != journal.target:
                shutil.move(kept, destination(journal.target))  # a link may lead to another disk
        except (MotionError, OSError) as error:
            raise MotionError(f'{error}; the take is in {kept}') from None
        if kept.suffix != '.mcap' and kept != journal.target:
            kept.unlink()
        return clip
