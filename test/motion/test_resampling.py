# SPDX-License-Identifier: Apache-2.0
"""Clips at another frame rate: the head as SciPy turns it, channels linearly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.motion.resampling import at_rate

LAYOUT = arkit_layout()


@pytest.mark.parametrize('fps', [12.5, 24.0, 60.0])
def test_frames_lie_between_those_around_them(fps: float) -> None:
    generator = np.random.default_rng(0)
    values = generator.uniform(0, 1, (50, LAYOUT.width)).astype(np.float32)
    values[:, LAYOUT.head_rotation] = generator.uniform(-0.6, 0.6, (50, 3))
    clip = at_rate(MotionClip(values, 25.0, LAYOUT, {}), fps)
    assert clip.fps == fps and len(clip.values) == round(50 * fps / 25)
    old, new = (np.arange(50) + 0.5) / 25, (np.arange(len(clip.values)) + 0.5) / fps
    jaw = LAYOUT.index('jawOpen')
    np.testing.assert_allclose(clip.values[:, jaw], np.interp(new, old, values[:, jaw]), atol=1e-6)
    path = Slerp(old, Rotation.from_rotvec(values[:, LAYOUT.head_rotation]))
    expected = path(np.clip(new, old[0], old[-1])).as_rotvec()
    np.testing.assert_allclose(clip.values[:, LAYOUT.head_rotation], expected, atol=1e-6)


def test_one_frame_and_odd_rates() -> None:
    one = MotionClip(np.zeros((1, LAYOUT.width), np.float32), 25.0, LAYOUT, {})
    assert len(at_rate(one, 60.0).values) == 1
    with pytest.raises(ConfigError, match='use 1 to 240'):
        at_rate(one, 0.0)
