# SPDX-License-Identifier: Apache-2.0
"""Writes a video with the tracked person and the animated head side by side, to check the tracking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import VideoError
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.tracking.video_reader import VideoFrame

__all__ = ['small', 'write_preview']

_SIDE = 360
"""Height of the preview and widest picture, pixels."""


def small(frame: VideoFrame) -> VideoFrame:
    """A copy of a picture with at most 360 pixels a side, by leaving out points."""
    step = max(1, -(-max(frame.image.shape[:2]) // _SIDE))
    return VideoFrame(frame.time, np.ascontiguousarray(frame.image[::step, ::step]))


def write_preview(path: Path, pictures: Sequence[VideoFrame], motion: MotionClip) -> int:
    """Write an MP4 with the pictures at the left and the head at the right; returns the number of frames.

    ``pictures`` are those of `small`, in order. Raises VideoError without pictures, ConfigError without PyAV.
    """
    from diffposetalk_ros.viewer.render_file import write_mp4

    if not pictures:
        raise VideoError('no picture was kept for the preview')
    width = pictures[0].image.shape[1] // 2 * 2
    return write_mp4(
        path, _frames(pictures, motion, width), motion.fps, (width + _SIDE, _SIDE), None, motion.duration
    )


def _frames(pictures: Sequence[VideoFrame], motion: MotionClip, width: int) -> Iterator[NDArray[np.uint8]]:
    from diffposetalk_ros.viewer.render import render_frames

    times = np.array([p.time for p in pictures])
    grid = times[0] + np.arange(len(motion.values)) / motion.fps
    nearest = np.clip(np.searchsorted(times, grid), 0, len(times) - 1)
    for head, index in zip(render_frames(motion.values, (_SIDE, _SIDE)), nearest, strict=True):
        side = np.zeros((_SIDE, width, 3), np.uint8)
        image = pictures[index].image[:_SIDE, :width]
        top = (_SIDE - len(image)) // 2
        side[top : top + len(image), : image.shape[1]] = image
        yield np.concatenate([side, head], axis=1)
