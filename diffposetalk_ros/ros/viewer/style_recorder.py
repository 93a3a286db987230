# SPDX-License-Identifier: Apache-2.0
"""A speaking style from a face that a tracker publishes as FaceMotion on ``tracked_face``."""

from __future__ import annotations

import array
from typing import Any

import numpy as np

from diffposetalk_ros.errors import StyleError
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.ros.messages.motion import row_from_message
from diffposetalk_ros.srv import SetStyle

__all__ = ['StyleRecorder']

_LAYOUT = arkit_layout(head_pose=True)
_RATE = 25.0
_LONGEST = 30.0


class StyleRecorder:
    """Keeps the last 30 s of a tracked face and makes a style request of them."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._rows: list[Any] = []
        self.arrived = 0

    def add(self, message: Any, now: int) -> None:
        """Store a FaceMotion of 52 ARKit weights that came at ``now`` (ns); others raise MotionError."""
        row = row_from_message(message, _LAYOUT)
        stamp = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9 or now / 1e9
        if self._times and stamp <= self._times[-1]:
            if stamp > self._times[-1] - 1.0:
                return
            self._times, self._rows = [], []
        self.arrived = now
        self._times.append(stamp)
        self._rows.append(row)
        while self._times[0] < stamp - _LONGEST:
            del self._times[0], self._rows[0]

    def request(self, seconds: float) -> Any:
        """SetStyle.Request of the last ``seconds``. Raises StyleError when too little was seen."""
        times = np.array(self._times)
        used = np.flatnonzero(times >= times[-1] - seconds) if len(times) else np.zeros(0, int)
        span = float(times[-1] - times[used[0]]) if len(used) else 0.0
        if span < max(1.0, 0.5 * seconds):
            raise StyleError(f'only {span:.1f} s of a tracked face were seen; keep it in view and try again')
        grid = np.arange(times[used[0]], times[-1], 1 / _RATE)
        rows = np.stack([self._rows[i] for i in used])
        motion = np.stack([np.interp(grid, times[used], column) for column in rows.T], axis=1)
        request = SetStyle.Request()
        style = request.style
        style.name, style.space, style.rate = 'recorded', _LAYOUT.space, _RATE
        style.channel_names = list(_LAYOUT.names)
        style.motion = array.array('f', motion.astype(np.float32).tobytes())
        return request
