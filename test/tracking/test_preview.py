# SPDX-License-Identifier: Apache-2.0
"""The preview shows each moment of a video beside the head, and holds one picture at a time."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.errors import VideoError
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.tracking.preview import small, write_preview
from diffposetalk_ros.tracking.video_reader import VideoFrame, VideoReader

pytest.importorskip('av', reason='PyAV is not installed')


def test_pictures_are_shown_at_their_times_and_taken_one_by_one(tmp_path: Path) -> None:
    kept: list[weakref.ref[VideoFrame]] = []
    most = 0

    def pictures() -> Iterator[VideoFrame]:
        nonlocal most
        for i in range(20):  # 10 pictures a second, brighter and brighter, from 3 s on
            picture = VideoFrame(3.0 + i / 10, np.full((360, 320, 3), 12 * i, np.uint8))
            kept.append(weakref.ref(picture))
            most = max(most, sum(one() is not None for one in kept))
            yield picture

    motion = MotionClip(np.zeros((45, 55), np.float32), 25.0, arkit_layout(head_pose=True))
    assert write_preview(tmp_path / 'p.mp4', pictures(), motion) == 45
    assert most <= 3, 'the first, the one that is shown and the next'
    with VideoReader(tmp_path / 'p.mp4') as video:
        left = [float(frame.image[100:200, 100:200].mean()) for frame in video]
    wanted = [12 * min(19, int(np.ceil(k / 2.5 - 1e-6))) for k in range(45)]
    assert left == pytest.approx(wanted, abs=4)


def test_a_large_picture_becomes_a_small_copy() -> None:
    image = np.zeros((720, 1280, 3), np.uint8)
    copy = small(VideoFrame(1.0, image))
    assert copy.time == 1.0 and max(copy.image.shape) <= 360 and not np.shares_memory(copy.image, image)


def test_no_picture_is_told(tmp_path: Path) -> None:
    motion = MotionClip(np.zeros((5, 55), np.float32), 25.0, arkit_layout(head_pose=True))
    with pytest.raises(VideoError, match='no picture'):
        write_preview(tmp_path / 'p.mp4', [], motion)
