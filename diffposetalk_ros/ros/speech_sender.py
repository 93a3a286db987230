# SPDX-License-Identifier: Apache-2.0
"""Publishes sound that is given as a whole, paced as a microphone would send it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.qos import QoSProfile
from rclpy.time import Time

from diffposetalk_ros.ros.audio_messages import audio_to_message, has_portaudio_form, message_class

__all__ = ['SpeechSender']

_CHUNK = 0.02
_NS = 1_000_000_000


class SpeechSender:
    """Says one thing at a time on ``audio``: new speech replaces what is being said."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._portaudio = has_portaudio_form()
        self._kind = 'AudioStamped' if self._portaudio else 'AudioDataStamped'
        self._publisher = node.create_publisher(message_class(self._kind), 'audio', QoSProfile(depth=50))
        self._info: Any = None
        if not self._portaudio:
            self._info = node.create_publisher(message_class('AudioInfo'), 'audio_info', QoSProfile(depth=1))
        self._samples = np.zeros(0, np.float32)
        self._rate, self._sent, self._start = 16000, 0, 0
        self._timer: Any = None

    @property
    def speaking(self) -> bool:
        """Whether something is still to be sent."""
        return self._timer is not None

    def say(self, samples: NDArray[np.float32], rate: int) -> None:
        """Begin with mono sound (n,) at ``rate`` Hz now."""
        self.stop()
        self._samples, self._rate, self._sent = samples, rate, 0
        self._start = self._node.get_clock().now().nanoseconds
        if self._info is not None:
            info = message_class('AudioInfo')
            self._info.publish(
                info(
                    channels=1,
                    sample_rate=rate,
                    sample_format='S16LE',
                    bitrate=16 * rate,
                    coding_format='WAVE',
                )
            )
        self._timer = self._node.create_timer(_CHUNK / 2, self._tick)

    def stop(self) -> None:
        """Fall silent."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None

    def _tick(self) -> None:
        now = self._node.get_clock().now().nanoseconds
        size = max(1, round(_CHUNK * self._rate))
        while self._sent < len(self._samples):
            end = min(self._sent + size, len(self._samples))
            if self._start + end * _NS // self._rate > now:
                return
            stamp = Time(nanoseconds=self._start + self._sent * _NS // self._rate).to_msg()
            part = self._samples[self._sent : end]
            self._publisher.publish(audio_to_message(part, self._rate, stamp, self._kind, frame_id='page'))
            self._sent = end
        self.stop()
