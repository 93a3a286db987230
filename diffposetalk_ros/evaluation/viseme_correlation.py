# SPDX-License-Identifier: Apache-2.0
"""Read eight viseme dimensions from ARKit motion and correlate them with those of the phones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.layout import MotionLayout

__all__ = ['VISEME_NAMES', 'trusted_frames', 'viseme_correlation', 'visemes_of_motion']

Floats = NDArray[np.floating]

VISEME_NAMES = ('jawOpen', 'lipClose', 'pucker', 'funnel', 'stretch', 'lipBite', 'tongueTip', 'teeth')

# How the training animator (training/animator/mouth.py) writes its articulators into ARKit
# channels, solved for the articulator. lipBite leaves out the lip roll that comes from pressing
# the lips together, teeth the jaw movement that comes from rounding.
_MAPPING: dict[str, dict[str, float]] = {
    'jawOpen': {'jawOpen': 1.0},
    'lipClose': {'mouthPressLeft': 0.5, 'mouthPressRight': 0.5, 'mouthRollUpper': 1.0},
    'pucker': {'mouthPucker': 1.0},
    'funnel': {'mouthFunnel': 1.0},
    'stretch': {'mouthStretchLeft': 0.5, 'mouthStretchRight': 0.5},
    'lipBite': {'mouthRollLower': 1.0, 'mouthPressLeft': -0.275, 'mouthPressRight': -0.275},
    'tongueTip': {'tongueOut': 1.0},
    'teeth': {'jawForward': 1.0, 'mouthFunnel': -0.07},
}


def visemes_of_motion(motion: Floats, layout: MotionLayout) -> NDArray[np.float64]:
    """Viseme dimensions (T, 8) in the order of VISEME_NAMES from ARKit motion (T, D).

    Each is known up to a scale, which depends on the style. Raises MotionError for another space.
    """
    if layout.space != 'arkit':
        raise MotionError(f'visemes cannot be read from {layout.space} motion; use an arkit model')
    weights = np.zeros((layout.width, len(VISEME_NAMES)))
    for column, name in enumerate(VISEME_NAMES):
        for channel, weight in _MAPPING[name].items():
            weights[layout.index(channel), column] = weight
    return np.asarray(motion, np.float64) @ weights


def trusted_frames(frames: int, fps: float, spans: Sequence[tuple[float, float]] | None) -> NDArray[np.bool_]:
    """Frames (frames,) whose middle lies in a trusted span (s); all of them without spans."""
    if spans is None:
        return np.ones(frames, bool)
    middles = (np.arange(frames) + 0.5) / fps
    inside = np.zeros(frames, bool)
    for start, end in spans:
        inside |= (middles >= start) & (middles <= end)
    return inside


def viseme_correlation(found: Sequence[Floats], truth: Sequence[Floats]) -> NDArray[np.float64]:
    """Pearson r (8,) of each dimension over the frames of all clips, each (T, 8), put end to end.

    A dimension that does not move in one of them has correlation 0.
    """
    if not found or [a.shape for a in found] != [b.shape for b in truth]:
        raise MotionError('viseme tracks and targets differ in length; give one target per motion frame')
    a, b = (np.concatenate(tracks).astype(np.float64) for tracks in (found, truth))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    scale = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    covariance = (a * b).sum(axis=0)
    r: NDArray[np.float64] = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 1e-12)
    return r
