# SPDX-License-Identifier: Apache-2.0
"""Tracks a face in a video or camera and computes its motion and quality."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import VideoError
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.tracking.calibration import FaceProfile, calibrate, measure_profile, to_clip
from diffposetalk_ros.tracking.clip_quality import ClipQuality, best_stretch, clip_quality, voice_share
from diffposetalk_ros.tracking.face_track import FaceReading, FaceTrack
from diffposetalk_ros.tracking.face_tracker import FaceTracker
from diffposetalk_ros.tracking.video_reader import VideoFrame, VideoReader, is_camera, read_sound

__all__ = ['TrackedVideo', 'track_video']

Watcher = Callable[[VideoFrame, FaceReading], None]


@dataclass(frozen=True, eq=False)
class TrackedVideo:
    """Result of `track_video`. ``motion``: the whole video at 25 fps; ``known`` (T,): where a face was seen.

    Gaps are interpolated in ``motion``. ``take()`` gives the best part alone, for a style.
    """

    track: FaceTrack
    profile: FaceProfile
    quality: ClipQuality
    motion: MotionClip
    known: NDArray[np.bool_]
    dropped: int
    damaged: int

    def take(self) -> MotionClip:
        """Motion of the longest part with one face, without gap or cut. Raises VideoError with `refusals`."""
        reasons = self.quality.refusals()
        if reasons:
            raise VideoError('; '.join(reasons))
        part = self.track.part(*best_stretch(self.track))
        profile = measure_profile(part)
        return to_clip(part.times, calibrate(part, profile))[0]


def track_video(
    source: str | Path,
    *,
    start: float = 0.0,
    seconds: float | None = None,
    model: str | Path | None = None,
    watch: Watcher | None = None,
) -> TrackedVideo:
    """Track the face in a video file, or in ``seconds`` of a camera. ``watch`` sees every picture and reading.

    Raises VideoError for what cannot be read or shows no face in two pictures, ModelError without network.
    """
    if is_camera(str(source)) and seconds is None:
        raise VideoError(f'camera {source} has no end; say how many seconds to record')
    times, readings = [], []
    with FaceTracker(model) as tracker, VideoReader(source, start, seconds) as video:
        for frame in video:
            reading = tracker.track(frame.image, frame.time)
            if watch is not None:
                watch(frame, reading)
            times.append(frame.time)
            readings.append(reading.without_details())
        dropped, damaged = video.dropped, video.damaged
    if not times:
        raise VideoError(f'{source} has no picture after {start:g} s; it ends earlier')
    if len(times) == 1:
        raise VideoError(f'{source} is a single picture; give a video of a person who speaks')
    track = FaceTrack.of(times, readings)
    sound = None if is_camera(str(source)) else read_sound(source, start, seconds)
    quality = clip_quality(track, voice_share(sound))
    if not track.found.any():
        raise VideoError(f'{source}: {quality.refusals()[0]}')
    profile = measure_profile(track)
    motion, known = to_clip(track.times, calibrate(track, profile))
    return TrackedVideo(track, profile, quality, motion, known, dropped, damaged)
