# SPDX-License-Identifier: Apache-2.0
"""Shows lips that nearly touch as touching, because with a gap of half a millimetre a P looks open.

A model trained with a squared error leaves a small gap. The *shown* head (page, video, RViz) therefore closes
it with more mouthClose. Motion messages and files keep the values of the model.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES
from diffposetalk_ros.motion.rig import Rig

__all__ = ['DEFAULT_SNAP', 'snap_closures', 'snapped']

Floats = NDArray[np.float32]

DEFAULT_SNAP = 0.8
"""Openings up to this many mm are shown as contact; from three times this value on nothing changes."""

_CLOSE = ARKIT_BLENDSHAPES.index('mouthClose')


def snapped(opening: Floats, reach: float) -> Floats:
    """Opening (T,) mm as shown: 0 up to ``reach``, unchanged from 3 ``reach`` on, linear between."""
    return np.asarray(np.where(opening < 3 * reach, np.clip(1.5 * (opening - reach), 0, None), opening))


def snap_closures(rig: Rig, motion: Floats, reach: float = DEFAULT_SNAP) -> Floats:
    """ARKit motion (T, 52 or more) with mouthClose raised where the lips nearly touch.

    No pair of inner lip vertices is moved past contact. ``reach`` in mm, 0 for none. Raises ConfigError
    outside 0 to 3 mm.
    """
    if not 0 <= reach <= 3:
        raise ConfigError(f'closure snap of {reach:g} mm; use 0 to 3')
    if reach == 0:
        return motion
    opening = rig.lip_opening(motion[:, :52])
    near = np.flatnonzero((opening > 0) & (opening < 3 * reach))
    if not len(near):
        return motion
    upper, lower = rig.lip_pairs
    slope = rig.displacements[:, upper, 1] - rig.displacements[:, lower, 1]
    gaps = rig.neutral[upper, 1] - rig.neutral[lower, 1] + motion[near, :52] @ slope
    middle = len(upper) // 2
    wanted = (opening[near] - snapped(opening[near], reach)) / -slope[_CLOSE, middle]
    # Corners hardly move, so they would require no change or an extreme one.
    moving = slope[_CLOSE] < 0.2 * slope[_CLOSE].min()
    allowed = (gaps[:, moving] / -slope[_CLOSE, moving]).min(axis=1)
    out = np.array(motion, np.float32)
    out[near, _CLOSE] += np.clip(np.minimum(wanted, allowed), 0, None)
    return out
