# SPDX-License-Identifier: Apache-2.0
"""A publisher of ``audio`` that exists only while it is needed."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node

from diffposetalk_ros.ros.support.audio_publisher import AudioPublisher

__all__ = ['OnDemandPublisher']

_LINGER = 5.0
"""Seconds after `release` in which the publisher stays, for what is still under way."""


class OnDemandPublisher:
    """Exists from `acquire` until some seconds after `release`.

    A listener would join the sound of two senders on that topic, so publishers are not kept in reserve.
    """

    def __init__(self, node: Node, kind: str, frame_id: str) -> None:
        self._node, self._kind, self._frame_id = node, kind, frame_id
        self._output: AudioPublisher | None = None
        self._ending: Any = None

    def acquire(self, rate: int) -> tuple[AudioPublisher, bool]:
        """The publisher, for sound at ``rate`` Hz, and whether it is new, so that subscribers may not know it yet."""
        self._cancel_end()
        new = self._output is None
        if self._output is None:
            self._output = AudioPublisher(self._node, rate, self._kind, self._frame_id, depth=50)
        self._output.rate = rate
        return self._output, new

    def release(self) -> None:
        """No more sound follows for now: destroy the publisher a little later."""
        self._cancel_end()
        self._ending = self._node.create_timer(_LINGER, self._end)

    def _cancel_end(self) -> None:
        if self._ending is not None:
            self._node.destroy_timer(self._ending)
            self._ending = None

    def _end(self) -> None:
        self._cancel_end()
        if self._output is not None:
            self._output.destroy()
            self._output = None
