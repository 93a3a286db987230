# SPDX-License-Identifier: Apache-2.0
"""Publishes complete sound in real time, as a microphone would."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node

from diffposetalk_ros.ros.support.audio_publisher import HEAD_START, AudioPublisher
from diffposetalk_ros.ros.viewer.on_demand_publisher import OnDemandPublisher
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['SpeechSender']

_CHUNK = 0.02
_PATIENCE = 2 * NS_PER_SECOND
"""ns in which somebody has to listen; then the sound is sent all the same."""


class SpeechSender:
    """Publishes one sound at a time on ``audio``; a new one replaces the current one."""

    def __init__(self, node: Node, publisher: OnDemandPublisher) -> None:
        self._node, self._publisher = node, publisher
        self._output: AudioPublisher | None = None
        self._samples = np.zeros(0, np.float32)
        self._sent, self._asked = 0, 0
        self._start: int | None = None
        self._timer: Any = None

    @property
    def speaking(self) -> bool:
        """Whether something is still to be sent."""
        return self._timer is not None

    def say(self, samples: NDArray[np.float32], rate: int) -> None:
        """Publish mono sound (n,) at ``rate`` Hz as soon as there is a subscriber."""
        self.stop()
        self._samples, self._sent, self._asked, self._start = samples, 0, self._now(), None
        self._output, new = self._publisher.acquire(rate)
        if not new:
            self._start = self._asked + (HEAD_START if self._output.announce(self._asked) else 0)
        self._timer = self._node.create_timer(_CHUNK / 2, self._tick)

    def stop(self) -> None:
        """Stop the current sound."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None
            self._publisher.release()

    def _now(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _tick(self) -> None:
        output, now = self._output, self._now()
        assert output is not None
        rate = output.rate
        if self._start is None:
            if not output.listeners and 0 <= now - self._asked < _PATIENCE:
                return
            # The listener may not have found this publisher yet.
            output.announce(now)
            self._start = now + HEAD_START
        size = max(1, round(_CHUNK * rate))
        while self._sent < len(self._samples):
            end = min(self._sent + size, len(self._samples))
            if self._start + end * NS_PER_SECOND // rate > now:
                return
            output.publish(self._samples[self._sent : end], self._start + self._sent * NS_PER_SECOND // rate)
            self._sent = end
        self.stop()
