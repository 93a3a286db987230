# SPDX-License-Identifier: Apache-2.0
"""Publishes sound that is given as a whole, paced as a microphone would send it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.ros.audio_publisher import HEAD_START, AudioPublisher

__all__ = ['SpeechSender']

_CHUNK = 0.02
_NS = 1_000_000_000


class SpeechSender:
    """Says one thing at a time on ``audio``: new speech replaces what is being said."""

    def __init__(self, node: Any, kind: str = 'auto') -> None:
        self._node = node
        self._output = AudioPublisher(node, 16000, kind, 'page', depth=50)
        self._samples = np.zeros(0, np.float32)
        self._sent, self._start = 0, 0
        self._timer: Any = None

    @property
    def speaking(self) -> bool:
        """Whether something is still to be sent."""
        return self._timer is not None

    def say(self, samples: NDArray[np.float32], rate: int) -> None:
        """Begin with mono sound (n,) at ``rate`` Hz now."""
        self.stop()
        self._samples, self._output.rate, self._sent = samples, rate, 0
        now = self._node.get_clock().now().nanoseconds
        self._start = now + (HEAD_START if self._output.announce(now) else 0)
        self._timer = self._node.create_timer(_CHUNK / 2, self._tick)

    def stop(self) -> None:
        """Fall silent."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None

    def _tick(self) -> None:
        now = self._node.get_clock().now().nanoseconds
        rate = self._output.rate
        size = max(1, round(_CHUNK * rate))
        while self._sent < len(self._samples):
            end = min(self._sent + size, len(self._samples))
            if self._start + end * _NS // rate > now:
                return
            self._output.publish(self._samples[self._sent : end], self._start + self._sent * _NS // rate)
            self._sent = end
        self.stop()
