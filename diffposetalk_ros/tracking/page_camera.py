# SPDX-License-Identifier: Apache-2.0
"""Readings of a page's camera, from which the page mirrors the face and a style is made."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import VideoError
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.tracking.clip_quality import ClipQuality
from diffposetalk_ros.tracking.live_calibration import LiveCalibration
from diffposetalk_ros.tracking.page_reading import reading_of

__all__ = ['PageCamera', 'told']

_SILENT = 2.0
"""Seconds without numbers after which a camera counts as switched off."""


class PageCamera:
    """One page at a time; keeps the numbers of its last minute."""

    def __init__(self) -> None:
        self._page, self._seen = '', -float('inf')
        self._calibration = LiveCalibration()

    def see(self, page: str, numbers: NDArray[np.float32], at: float) -> NDArray[np.float32] | None:
        """The motion (55,) of a picture taken at ``at`` s, None if it shows no face.

        ``page`` identifies the page. Raises VideoError while another page's camera is on.
        """
        now = time.monotonic()
        if page != self._page:
            if now - self._seen < _SILENT:
                raise VideoError('another page has its camera on; stop it there first')
            self._page, self._calibration = page, LiveCalibration()
        reading = reading_of(numbers)
        self._seen = now
        return self._calibration.push(reading, at)

    def take(self, page: str, seconds: float) -> tuple[MotionClip, ClipQuality]:
        """Motion and quality of the last ``seconds``. Raises VideoError with the reasons if they are unsuitable."""
        if page != self._page:
            raise VideoError('this page has sent no face yet; start its camera first')
        return self._calibration.take(seconds)


def told(clip: MotionClip, quality: ClipQuality) -> dict[str, Any]:
    """Answer to a page about its take: the clip, its quality, and notes."""
    rows = np.round(clip.values.astype(np.float64), 4).tolist()
    return {
        'clip': {'fps': clip.fps, 'values': rows},
        'summary': quality.summary(),
        'notes': quality.warnings(),
    }
