# SPDX-License-Identifier: Apache-2.0
"""ARKit weights to FACS action units, numbered as hri_msgs/FacialActionUnits numbers them.

The correspondences are ours, from the two published descriptions: the action of a unit's muscle
(Ekman, Friesen and Hager, FACS, 2002) and the appearance of a blendshape (Apple, ARFaceAnchor). Where several
shapes make one unit, its intensity is their maximum; left and right make one unit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.layout import MotionLayout
from diffposetalk_ros.motion.rotation import flame_to_ros

__all__ = ['DRIVEN', 'UNITS', 'action_units']

Floats = NDArray[np.float64]
_COUNT = 99
_FULL_TURN = 0.5  # rad: a head turned by this has intensity 1

_SHAPES: dict[int, tuple[str, ...]] = {
    1: ('browInnerUp',),
    2: ('browOuterUpLeft', 'browOuterUpRight'),
    4: ('browDownLeft', 'browDownRight'),
    5: ('eyeWideLeft', 'eyeWideRight'),
    6: ('cheekSquintLeft', 'cheekSquintRight'),
    7: ('eyeSquintLeft', 'eyeSquintRight'),
    8: ('mouthClose',),
    9: ('noseSneerLeft', 'noseSneerRight'),
    10: ('mouthUpperUpLeft', 'mouthUpperUpRight'),
    12: ('mouthSmileLeft', 'mouthSmileRight'),
    14: ('mouthDimpleLeft', 'mouthDimpleRight'),
    15: ('mouthFrownLeft', 'mouthFrownRight'),
    16: ('mouthLowerDownLeft', 'mouthLowerDownRight'),
    17: ('mouthShrugLower',),
    18: ('mouthPucker',),
    19: ('tongueOut',),
    20: ('mouthStretchLeft', 'mouthStretchRight'),
    22: ('mouthFunnel',),
    24: ('mouthPressLeft', 'mouthPressRight'),
    26: ('jawOpen',),
    28: ('mouthRollLower', 'mouthRollUpper'),
    29: ('jawForward',),
    30: ('jawLeft', 'jawRight'),
    34: ('cheekPuff',),
    45: ('eyeBlinkLeft', 'eyeBlinkRight'),
    61: ('eyeLookOutLeft', 'eyeLookInRight'),
    62: ('eyeLookInLeft', 'eyeLookOutRight'),
    63: ('eyeLookUpLeft', 'eyeLookUpRight'),
    64: ('eyeLookDownLeft', 'eyeLookDownRight'),
}
# Head turns: unit of the positive and of the negative rotation about x (forward), y (left), z (up).
_TURNS = ((56, 55), (54, 53), (51, 52))
_LIPS_PART = 25

UNITS: dict[int, tuple[str, ...]] = dict(_SHAPES)
"""Number of the unit -> ARKit shapes that drive it."""

DRIVEN: frozenset[int] = frozenset([*_SHAPES, _LIPS_PART, *(unit for pair in _TURNS for unit in pair)])
"""Units that can differ from 0."""


def action_units(rows: ArrayLike, layout: MotionLayout) -> Floats:
    """Intensities (..., 99) in 0..1 of ARKit motion (..., D); the index is the unit's number.

    Lips part (25) is jawOpen less mouthClose, at least 0. Raises ConfigError for
    FLAME motion.
    """
    if layout.space != 'arkit':
        raise ConfigError(f'action units need ARKit motion, not {layout.space}')
    x = np.asarray(rows, np.float64)
    units = np.zeros((*x.shape[:-1], _COUNT))
    for unit, shapes in _SHAPES.items():
        units[..., unit] = x[..., [layout.index(shape) for shape in shapes]].max(axis=-1)
    jaw, closed = x[..., layout.index('jawOpen')], x[..., layout.index('mouthClose')]
    units[..., _LIPS_PART] = np.maximum(jaw - closed, 0.0)
    if layout.head_rotation is not None:
        turn = flame_to_ros(x[..., layout.head_rotation]) / _FULL_TURN
        for axis, (positive, negative) in enumerate(_TURNS):
            units[..., positive] = np.maximum(turn[..., axis], 0.0)
            units[..., negative] = np.maximum(-turn[..., axis], 0.0)
    return np.asarray(np.clip(units, 0.0, 1.0))
