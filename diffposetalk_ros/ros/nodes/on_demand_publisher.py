# SPDX-License-Identifier: Apache-2.0
"""A publisher of ``audio`` that is there only while it is needed."""

from __future__ import annotations

from typing import Any

from diffposetalk_ros.ros.support.audio_publisher import AudioPublisher

__all__ = ['VisitingPublisher']

_LINGER = 5.0
"""Seconds after `leave` in which the publisher stays, for what is still under way."""


class VisitingPublisher:
    """Comes with `come` and goes some seconds after `leave`: two publishers of that topic at once look like a
    mistake to whoever counts them, and are one."""

    def __init__(self, node: Any, kind: str, frame_id: str) -> None:
        self._node, self._kind, self._frame_id = node, kind, frame_id
        self._output: AudioPublisher | None = None
        self._leaving: Any = None

    def come(self, rate: int) -> tuple[AudioPublisher, bool]:
        """The publisher, for sound at ``rate`` Hz, and whether it is new: nobody may have found it yet."""
        self._stay()
        new = self._output is None
        if self._output is None:
            self._output = AudioPublisher(self._node, rate, self._kind, self._frame_id, depth=50)
        self._output.rate = rate
        return self._output, new

    def leave(self) -> None:
        """Nothing more is to be said for now."""
        self._stay()
        self._leaving = self._node.create_timer(_LINGER, self._gone)

    def _stay(self) -> None:
        if self._leaving is not None:
            self._node.destroy_timer(self._leaving)
            self._leaving = None

    def _gone(self) -> None:
        self._stay()
        if self._output is not None:
            self._output.destroy()
            self._output = None
