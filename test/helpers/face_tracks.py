# SPDX-License-Identifier: Apache-2.0
"""Face tracks with known scores, without a tracker."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES
from diffposetalk_ros.tracking.calibration import DEFAULT_PROFILE
from diffposetalk_ros.tracking.face_track import FaceTrack
from diffposetalk_ros.tracking.landmarks import FEATURES


def make_track(count: int = 200, fps: float = 25.0, **changes: Any) -> FaceTrack:
    """A person at rest before the camera, speaking a little; ``changes`` replace columns of the track."""
    lips = FEATURES.index('lip_inner')
    features = np.tile(DEFAULT_PROFILE.features, (count, 1))
    features[:, lips] += 0.03 * (1 + np.sin(np.arange(count)))
    values: dict[str, Any] = {
        'times': np.arange(count) / fps,
        'scores': np.zeros((count, 52)),
        'features': features,
        'head': np.zeros((count, 3)),
        'faces': np.ones(count, np.int64),
        'eye_distance': np.full(count, 90.0),
        'light': np.full(count, 0.5),
        'contrast': np.full(count, 0.2),
        'place': np.full((count, 2), 200.0) + np.sin(np.arange(count) / 9)[:, None],
        'change': np.full(count, 0.002),
    }
    return FaceTrack(**(values | changes))


def column(name: str) -> int:
    """Column of an ARKit channel."""
    return ARKIT_BLENDSHAPES.index(name)
