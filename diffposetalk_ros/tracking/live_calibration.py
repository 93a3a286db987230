# SPDX-License-Identifier: Apache-2.0
"""Live calibration of a face, picture by picture, with a profile that is learned meanwhile."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from diffposetalk_ros.errors import VideoError
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.tracking.calibration import (
    DEFAULT_PROFILE,
    calibrate,
    measure_profile,
    to_clip,
)
from diffposetalk_ros.tracking.clip_quality import ClipQuality, best_stretch, clip_quality
from diffposetalk_ros.tracking.face_track import FaceReading, FaceTrack

__all__ = ['LiveCalibration']

_MEMORY = 60.0
_LEARN_AFTER, _LEARN_EVERY = 3.0, 2.0
"""Seconds of a face before a profile of its own is used, and between two measurements of it."""
_HEAD_TIME = 0.04
"""Time constant of the head's smoothing, s."""


class LiveCalibration:
    """Turns readings into motion rows; keeps the last minute of readings, never a picture."""

    def __init__(self) -> None:
        self._restart()

    def _restart(self) -> None:
        self._seen: deque[tuple[float, FaceReading]] = deque()
        self.profile = DEFAULT_PROFILE
        self._learned: float | None = None
        self._head: Rotation | None = None
        self._last = 0.0

    def push(self, reading: FaceReading, time: float) -> NDArray[np.float32] | None:
        """The motion (55,) of a reading at ``time`` s; None where no face is seen. Times that go back restart."""
        if self._seen and time <= self._seen[-1][0]:
            self._restart()
        self._seen.append((time, reading))
        while self._seen[0][0] < time - _MEMORY:
            self._seen.popleft()
        if reading.scores is None:
            self._head = None
            return None
        self._learn(time)
        row = calibrate(FaceTrack.of([time], [reading]), self.profile)[0]
        row[52:] = self._smooth(Rotation.from_rotvec(row[52:]), time)
        return np.asarray(row, np.float32)

    def take(self, seconds: float) -> tuple[MotionClip, ClipQuality]:
        """Motion and quality of the last ``seconds``. Raises VideoError with the reasons if they are unsuitable."""
        if not self._seen:
            raise VideoError('no picture has arrived yet; is the camera running?')
        end = self._seen[-1][0]
        recent = [(t, r) for t, r in self._seen if t > end - seconds]
        track = FaceTrack.of([t for t, _ in recent], [r for _, r in recent])
        quality = clip_quality(track)
        reasons = quality.refusals()
        if reasons:
            raise VideoError('; '.join(reasons))
        part = track.part(*best_stretch(track))
        return to_clip(part.times, calibrate(part, measure_profile(part)))[0], quality

    def _learn(self, time: float) -> None:
        if self._learned is not None and time - self._learned < _LEARN_EVERY:
            return
        faces = [(t, r) for t, r in self._seen if r.scores is not None]
        if faces[-1][0] - faces[0][0] < _LEARN_AFTER:
            return
        self._learned = time
        self.profile = measure_profile(FaceTrack.of([t for t, _ in faces], [r for _, r in faces]))

    def _smooth(self, head: Rotation, time: float) -> NDArray[np.float64]:
        step = time - self._last
        self._last = time
        if self._head is None or step > 0.5:
            self._head = head
        else:
            share = 1.0 - np.exp(-step / _HEAD_TIME)
            self._head = self._head * Rotation.from_rotvec(share * (self._head.inv() * head).as_rotvec())
        return np.asarray(self._head.as_rotvec())
