# SPDX-License-Identifier: Apache-2.0
"""The meaning of each number of a motion vector: names, units and ranges in both motion spaces."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import pi

from diffposetalk_ros.errors import ConfigError

__all__ = ['ARKIT_BLENDSHAPES', 'Channel', 'MotionLayout', 'arkit_layout', 'flame_layout', 'layout_for']

# Apple's ARKit names (ARFaceAnchor.BlendShapeLocation) in the column order of Live Link Face files.
ARKIT_BLENDSHAPES: tuple[str, ...] = (
    'eyeBlinkLeft', 'eyeLookDownLeft', 'eyeLookInLeft', 'eyeLookOutLeft', 'eyeLookUpLeft',
    'eyeSquintLeft', 'eyeWideLeft',
    'eyeBlinkRight', 'eyeLookDownRight', 'eyeLookInRight', 'eyeLookOutRight', 'eyeLookUpRight',
    'eyeSquintRight', 'eyeWideRight',
    'jawForward', 'jawRight', 'jawLeft', 'jawOpen',
    'mouthClose', 'mouthFunnel', 'mouthPucker', 'mouthRight', 'mouthLeft',
    'mouthSmileLeft', 'mouthSmileRight', 'mouthFrownLeft', 'mouthFrownRight',
    'mouthDimpleLeft', 'mouthDimpleRight', 'mouthStretchLeft', 'mouthStretchRight',
    'mouthRollLower', 'mouthRollUpper', 'mouthShrugLower', 'mouthShrugUpper',
    'mouthPressLeft', 'mouthPressRight', 'mouthLowerDownLeft', 'mouthLowerDownRight',
    'mouthUpperUpLeft', 'mouthUpperUpRight',
    'browDownLeft', 'browDownRight', 'browInnerUp', 'browOuterUpLeft', 'browOuterUpRight',
    'cheekPuff', 'cheekSquintLeft', 'cheekSquintRight', 'noseSneerLeft', 'noseSneerRight',
    'tongueOut',
)  # fmt: skip

_HEAD = ('headRotationX', 'headRotationY', 'headRotationZ')


@dataclass(frozen=True)
class Channel:
    """One number of the motion vector.

    ``unit`` is '1' (dimensionless weight) or 'rad'; ``lower`` and ``upper`` bound valid values.
    """

    name: str
    unit: str
    lower: float
    upper: float


@dataclass(frozen=True)
class MotionLayout:
    """Names and meaning of the columns of a de-normalised motion array (frames, width).

    Expression columns come first, then, if ``head_pose``, the head's rotation vector (axis-angle,
    rad) in face axes: x to the subject's left, y up, z forward (FLAME's axes). FLAME motion keeps
    the jaw angle last, after the head (docs/method.md, 1.2).
    """

    space: str
    channels: tuple[Channel, ...]
    expression: slice
    head_rotation: slice | None

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.channels)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(channel.name for channel in self.channels)

    def index(self, name: str) -> int:
        """Column of a channel. Raises ConfigError with close names when there is none."""
        try:
            return self.names.index(name)
        except ValueError:
            from difflib import get_close_matches

            near = get_close_matches(name, self.names, n=3) or list(self.names[:3]) + ['...']
            raise ConfigError(
                f'no channel {name!r} in the {self.space} layout; did you mean {", ".join(near)}?'
            ) from None


@cache
def arkit_layout(head_pose: bool = True) -> MotionLayout:
    """52 ARKit weights in 0..1, then 3 head rotation components: 55 columns (52 without head)."""
    channels = tuple(Channel(name, '1', 0.0, 1.0) for name in ARKIT_BLENDSHAPES)
    if head_pose:
        channels += tuple(Channel(name, 'rad', -pi, pi) for name in _HEAD)
    head = slice(52, 55) if head_pose else None
    return MotionLayout('arkit', channels, slice(0, 52), head)


@cache
def flame_layout(head_pose: bool = True) -> MotionLayout:
    """50 FLAME expression coefficients, 3 head rotation components, 1 jaw angle: 54 (51) columns."""
    channels = tuple(Channel(f'exp{i:02d}', '1', -10.0, 10.0) for i in range(50))
    if head_pose:
        channels += tuple(Channel(name, 'rad', -pi, pi) for name in _HEAD)
    channels += (Channel('jawRotationX', 'rad', -pi, pi),)
    head = slice(50, 53) if head_pose else None
    return MotionLayout('flame', channels, slice(0, 50), head)


def layout_for(space: str, head_pose: bool = True) -> MotionLayout:
    """Layout of a motion space, 'arkit' or 'flame'."""
    if space == 'arkit':
        return arkit_layout(head_pose)
    if space == 'flame':
        return flame_layout(head_pose)
    raise ConfigError(f"unknown motion space {space!r}; use 'arkit' or 'flame'")
