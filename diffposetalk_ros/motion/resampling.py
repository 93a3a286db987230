# SPDX-License-Identifier: Apache-2.0
"""Motion clips at another frame rate."""

from __future__ import annotations

import numpy as np

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.motion.rotation import quaternion_to_vector, slerp, vector_to_quaternion

__all__ = ['at_rate']


def at_rate(clip: MotionClip, fps: float) -> MotionClip:
    """The clip at `fps` frames per second: channels linearly, the head on SO(3).

    Frame i is a sample at the centre of its period, (i + 0.5) / fps. Raises ConfigError outside
    1..240 fps.
    """
    if not 1.0 <= fps <= 240.0:
        raise ConfigError(f'a frame rate of {fps:g}; use 1 to 240')
    count = len(clip.values)
    if fps == clip.fps or count < 2:
        return MotionClip(clip.values, fps, clip.layout, clip.meta)
    old = (np.arange(count) + 0.5) / clip.fps
    new = (np.arange(max(1, round(count * fps / clip.fps))) + 0.5) / fps
    values = np.stack([np.interp(new, old, column) for column in clip.values.T], axis=1)
    head = clip.layout.head_rotation
    if head is not None:
        place = np.clip(new * clip.fps - 0.5, 0.0, count - 1.0)
        before = np.minimum(place.astype(int), count - 2)
        turns = vector_to_quaternion(clip.values[:, head])
        values[:, head] = quaternion_to_vector(
            slerp(turns[before], turns[before + 1], (place - before)[:, None])
        )
    return MotionClip(values.astype(np.float32), fps, clip.layout, clip.meta)
