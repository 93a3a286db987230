# SPDX-License-Identifier: Apache-2.0
"""Publishes sound on the ``audio`` topic with the installed audio_common_msgs package."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.qos import DurabilityPolicy, QoSProfile

from diffposetalk_ros.ros.messages.audio import (
    audio_to_message,
    default_kind,
    has_portaudio_form,
    message_class,
)
from diffposetalk_ros.ros.messages.stamps import time_message
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['HEAD_START', 'AudioPublisher']

HEAD_START = 100_000_000
"""ns that a format told on a topic of its own gets before the sound: nothing orders two topics."""

_INFO_PERIOD = NS_PER_SECOND  # ns
_LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class AudioPublisher:
    """Publisher of mono sound at ``rate`` Hz, made on ``node``.

    ``kind``: AudioStamped, AudioDataStamped, AudioData or auto (`default_kind`).
    If messages carry no format (ros-drivers), it is published on ``audio_info`` before the first
    message and every second, so subscribers of that topic need not be latched.
    Raises AudioError when the type is not installed.
    """

    def __init__(self, node: Any, rate: int, kind: str, frame_id: str, depth: int) -> None:
        if kind == 'auto':
            kind = default_kind()
        self._node = node
        self._kind, self._rate, self._frame_id = kind, rate, frame_id
        self.publisher = node.create_publisher(message_class(kind), 'audio', QoSProfile(depth=depth))
        self._info = None
        self._informed: int | None = None
        if not has_portaudio_form():
            self._info = node.create_publisher(message_class('AudioInfo'), 'audio_info', _LATCHED)

    def destroy(self) -> None:
        """Destroy the publishers."""
        self._node.destroy_publisher(self.publisher)
        if self._info is not None:
            self._node.destroy_publisher(self._info)

    @property
    def listeners(self) -> int:
        """Number of subscribers found."""
        return int(self.publisher.get_subscription_count())

    @property
    def rate(self) -> int:
        """Rate in Hz of the following sound; a change is announced."""
        return self._rate

    @rate.setter
    def rate(self, rate: int) -> None:
        if rate != self._rate:
            self._rate, self._informed = rate, None

    def announce(self, now: int) -> bool:
        """Publish the format if messages do not carry it; ``now`` in ns. Returns whether it was due."""
        if self._info is None or (self._informed is not None and 0 <= now - self._informed < _INFO_PERIOD):
            return False
        self._informed = now
        self._info.publish(
            message_class('AudioInfo')(
                channels=1,
                sample_rate=self._rate,
                sample_format='S16LE',
                bitrate=16 * self._rate,
                coding_format='WAVE',
            )
        )
        return True

    def publish(self, samples: NDArray[np.float32], stamp: int) -> None:
        """Samples -1..1; ``stamp`` is the time of the first in ns."""
        time = time_message(stamp)
        message = audio_to_message(samples, self._rate, time, self._kind, frame_id=self._frame_id)
        self.publisher.publish(message)
