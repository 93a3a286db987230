# SPDX-License-Identifier: Apache-2.0
"""FLAME motion as the arrays that FLAME code exchanges: exp, pose and shape, in memory."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.layout import flame_layout
from diffposetalk_ros.motion.motion_clip import MotionClip

__all__ = ['FLAME_FPS', 'FlameArrays', 'flame_arrays', 'flame_clip']

FLAME_FPS = 25.0
"""Frames per second of the reference's data, where nothing else is said."""
_WIDTHS = {'exp': 50, 'pose': 6, 'shape': 100}


class FlameArrays(NamedTuple):
    """Coefficients of a clip of T frames, raw (not normalised), float32.

    ``exp`` (T, 50): expression. ``pose`` (T, 6): the head's rotation vector, then the jaw's, in rad.
    ``shape`` (100,): identity, or None if the clip has none.
    """

    exp: NDArray[np.float32]
    pose: NDArray[np.float32]
    shape: NDArray[np.float32] | None


def flame_arrays(clip: MotionClip) -> FlameArrays:
    """The coefficients of a FLAME clip.

    A clip without head gets a head rotation of 0. Raises MotionError for motion of another space.
    """
    if clip.layout.space != 'flame':
        raise MotionError(
            f'{clip.layout.space} motion has no FLAME coefficients; generate it with a FLAME model'
        )
    pose = np.zeros((len(clip.values), 6), np.float32)
    pose[:, 4 - (clip.layout.width - 50) : 4] = clip.values[:, 50:]
    pose[:, 4:] = clip.meta.get('jaw_rest', (0.0, 0.0))
    shape = clip.meta.get('shape')
    return FlameArrays(
        clip.values[:, :50].copy(), pose, None if shape is None else np.asarray(shape, np.float32)
    )


def flame_clip(
    exp: ArrayLike,
    pose: ArrayLike,
    shape: ArrayLike | None = None,
    fps: float = FLAME_FPS,
    head_pose: bool = True,
    meta: dict[str, Any] | None = None,
) -> MotionClip:
    """A FLAME clip from its coefficients; the inverse of `flame_arrays`.

    Args:
        exp: (T, 50), or (1, T, 50) as the reference returns it.
        pose: (T, 6): the head's rotation vector and the jaw's, rad; or (1, T, 6).
        shape: (100,) or one row a frame, of which the first counts.
        fps: frames per second.
        head_pose: whether the head's rotation belongs to the motion.
        meta: further information that the clip carries.

    Raises MotionError for another shape, for NaN and for zero frames.
    """
    arrays = {'exp': np.asarray(exp), 'pose': np.asarray(pose)}
    if shape is not None:
        arrays['shape'] = np.asarray(shape)
    for key, array in arrays.items():
        if array.ndim == 3 and len(array) == 1:
            arrays[key] = array = array[0]
        width = _WIDTHS[key]
        if array.shape[-1:] != (width,) or (array.ndim != 2 and key != 'shape'):
            raise MotionError(f'{key} of shape {array.shape} is not (frames, {width})')
    exp, pose = arrays['exp'], arrays['pose']
    if len(exp) != len(pose):
        raise MotionError(f'exp has {len(exp)} frames and pose {len(pose)}; they must be equal')
    known = dict(meta or {})
    if pose[:, 4:].any():
        known['jaw_rest'] = [float(x) for x in pose[0, 4:]]
    if 'shape' in arrays and arrays['shape'].size:
        known['shape'] = [float(x) for x in arrays['shape'].reshape(-1, 100)[0]]
    layout = flame_layout(head_pose)
    values = np.concatenate([exp, pose[:, 4 - (layout.width - 50) : 4]], axis=1)
    return MotionClip(values, fps, layout, known)
