# SPDX-License-Identifier: Apache-2.0
"""Converts FaceMotion messages, received or read from a bag, to a motion clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.msg import FaceMotion, FaceMotionInfo
from diffposetalk_ros.ros.messages.motion import layout_from_info, row_from_message
from diffposetalk_ros.ros.messages.stamps import nanoseconds_of

__all__ = ['clip_from_messages', 'lost_frames']


def lost_frames(frames: Sequence[FaceMotion]) -> int:
    """Frames missing between the first and the last number of each activation of the node, by order of arrival."""
    steps = np.diff([frame.frame_index for frame in frames])
    return int((steps[steps > 0] - 1).sum())


def clip_from_messages(info: FaceMotionInfo | None, frames: Sequence[FaceMotion]) -> MotionClip:
    """FaceMotionInfo and FaceMotion messages in order of arrival -> clip at the published rate.

    A lost frame repeats the one before it, and so does one that is not finite; ``meta['unusable_frames']`` counts
    the latter. If frame numbers restart, the node was activated again. Then the longest stretch is used, and
    ``meta['stretches']`` is the number of stretches.
    Raises MotionError when there is no frame, or when frames and info do not belong together.
    """
    if info is None or not frames:
        what = 'FaceMotionInfo' if info is None else 'FaceMotion'
        raise MotionError(f'no {what} was received; check that the node is active, its name and namespace')
    layout = layout_from_info(info)
    numbers = np.array([frame.frame_index for frame in frames])
    starts = np.flatnonzero(np.diff(numbers) < 0) + 1
    stretches = np.split(np.arange(len(frames)), starts)
    chosen = max(stretches, key=len)
    rows = np.stack([row_from_message(frames[i], layout) for i in chosen])
    usable = np.isfinite(rows).all(axis=1)
    if not usable.any():
        raise MotionError(f'all {len(rows)} frames of the motion hold NaN or infinite values')
    chosen, rows = chosen[usable], rows[usable]
    numbers = numbers[chosen]
    wanted = np.arange(numbers[0], numbers[-1] + 1)
    first = frames[chosen[0]].header.stamp
    meta = {
        'first_stamp_ns': nanoseconds_of(first),
        'model': info.model,
        'model_checksum': info.model_checksum,
        'style': info.style,
    }
    if not usable.all():
        meta['unusable_frames'] = int(np.count_nonzero(~usable))
    if len(stretches) > 1:
        meta['stretches'] = len(stretches)
    source = np.searchsorted(numbers, wanted, side='right') - 1
    return MotionClip(rows[source], float(info.output_rate), layout, meta)
