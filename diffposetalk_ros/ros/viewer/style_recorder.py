# SPDX-License-Identifier: Apache-2.0
"""Makes style requests from a face that a tracker publishes on ``tracked_face``, from a clip or from a style file."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import StyleError
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.ros.messages.motion import row_from_message
from diffposetalk_ros.srv import SetStyle

__all__ = ['StyleRecorder', 'style_of_clip', 'style_of_file']

_LAYOUT = arkit_layout(head_pose=True)
_RATE = 25.0
_LONGEST = 30.0
_MOST_NUMBERS = 1024
"""Of StyleReference.embedding."""


class StyleRecorder:
    """Keeps the last 30 s of a tracked face and makes style requests from them."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._rows: list[Any] = []
        self.arrived = 0

    def add(self, message: Any, now: int) -> None:
        """Store a FaceMotion of 52 ARKit weights that arrived at ``now`` (ns); others raise MotionError."""
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
        """SetStyle.Request from the last ``seconds``. Raises StyleError if too little was recorded."""
        times = np.array(self._times)
        used = np.flatnonzero(times >= times[-1] - seconds) if len(times) else np.zeros(0, int)
        span = float(times[-1] - times[used[0]]) if len(used) else 0.0
        if span < max(1.0, 0.5 * seconds):
            raise StyleError(f'only {span:.1f} s of a tracked face were seen; keep it in view and try again')
        grid = np.arange(times[used[0]], times[-1], 1 / _RATE)
        rows = np.stack([self._rows[i] for i in used])
        motion = np.stack([np.interp(grid, times[used], column) for column in rows.T], axis=1)
        return style_of_clip('recorded', MotionClip(motion.astype(np.float32), _RATE, _LAYOUT))


def style_of_clip(name: str, clip: MotionClip) -> Any:
    """SetStyle.Request of a motion clip; ``name`` is a label."""
    request = SetStyle.Request()
    style = request.style
    style.name, style.space, style.rate = name, clip.layout.space, clip.fps
    style.channel_names = list(clip.layout.names)
    style.motion = array.array('f', clip.values.astype(np.float32).tobytes())
    return request


def style_of_file(name: str, numbers: NDArray[np.float32], rate: float) -> Any:
    """SetStyle.Request from the content of a style file: a vector (``rate`` 0), or rows (T, 55) of ARKit motion.

    ``name`` is a label. Raises StyleError for other content.
    """
    if rate:
        if len(numbers) % _LAYOUT.width:
            raise StyleError(
                f'{len(numbers)} numbers do not divide into rows of {_LAYOUT.width}; save the style again'
            )
        return style_of_clip(name, MotionClip(numbers.reshape(-1, _LAYOUT.width), rate, _LAYOUT))
    if len(numbers) > _MOST_NUMBERS:
        raise StyleError(f'{len(numbers)} numbers are not a style vector; it has at most {_MOST_NUMBERS}')
    request = SetStyle.Request()
    request.style.name, request.style.embedding = name, array.array('f', numbers.tobytes())
    return request
