# SPDX-License-Identifier: Apache-2.0
"""Writes a video with the tracked person and the animated head side by side, to check the tracking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def write_preview(path: Path, pictures: Iterable[VideoFrame], motion: MotionClip) -> int:
    """Write an MP4 with the pictures at the left and the head at the right; returns the number of frames.

    ``pictures`` are those of `small`, in order; they are taken one by one, so that a long video can be read
    meanwhile. Raises VideoError without pictures, ConfigError without PyAV.
    """
    from diffposetalk_ros.viewer.render_file import write_mp4

    rest = iter(pictures)
    first = next(rest, None)
    if first is None:
        raise VideoError('no picture was kept for the preview')
    width = first.image.shape[1] // 2 * 2
    frames = _frames(first, rest, motion, width)
    return write_mp4(path, frames, motion.fps, (width + _SIDE, _SIDE), None, motion.duration)


def _frames(
    first: VideoFrame, rest: Iterator[VideoFrame], motion: MotionClip, width: int
) -> Iterator[NDArray[np.uint8]]:
    from diffposetalk_ros.viewer.render import render_frames

    picture = first
    for index, head in enumerate(render_frames(motion.values, (_SIDE, _SIDE))):
        while picture.time < first.time + index / motion.fps - 1e-9:
            later = next(rest, None)
            if later is None:
                break
            picture = later
        side = np.zeros((_SIDE, width, 3), np.uint8)
        image = picture.image[:_SIDE, :width]
        top = (_SIDE - len(image)) // 2
        side[top : top + len(image), : image.shape[1]] = image
        yield np.concatenate([side, head], axis=1)
