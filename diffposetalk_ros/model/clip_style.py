# SPDX-License-Identifier: Apache-2.0
"""The speaking style of a motion clip of any length."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from diffposetalk_ros.errors import StyleError
from diffposetalk_ros.model.backend import FloatArray
from diffposetalk_ros.model.config import ModelConfig, StyleEncoderConfig
from diffposetalk_ros.motion.layout import MotionLayout
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.motion.resampling import at_rate

__all__ = ['LONGEST_STYLE', 'Encode', 'clip_style', 'style_frames']

LONGEST_STYLE = 60.0
"""Seconds of motion that a style is taken from at most."""

Encode = Callable[[FloatArray], FloatArray]
"""`Backend.encode_style`: (1, F, D) normalised motion -> (1, S)."""


def clip_style(config: ModelConfig, encode: Encode, motion: FloatArray) -> FloatArray:
    """Style (S,) of normalised motion (F, D): the mean over stretches of the encoder's training length.

    ``encode`` is `Backend.encode_style`, (1, F, D) -> (1, S). A clip of at most one stretch is encoded as it
    is. Frames after the last whole stretch are not used.
    """
    length = (config.style_encoder or StyleEncoderConfig()).n_motions
    starts = range(0, max(1, len(motion) // length) * length, length)
    vectors = [encode(motion[None, i : i + length])[0] for i in starts]
    style: FloatArray = np.mean(vectors, axis=0, dtype=np.float32)
    return style


def style_frames(
    config: ModelConfig, clip: MotionClip, start: float = 0.0, seconds: float | None = None
) -> FloatArray:
    """The frames (F, D) of a clip that a style is taken from, in the model's columns and at its rate.

    ``start`` and ``seconds`` choose the stretch, s. Without ``seconds`` it reaches to the end; for an official
    encoder it is the one stretch that the reference uses. A head rotation that the model does not have
    is left out. Raises StyleError for another space, for less than 1 s, and unless ``start`` >= 0 and
    ``seconds`` > 0.
    """
    if not 0 <= start < math.inf or not (seconds is None or seconds > 0):
        raise StyleError(
            f'start {start:g}, seconds {seconds}: start must be 0 or more, and seconds more than 0'
        )
    values = _columns(at_rate(clip, config.fps), config.layout)
    count = round(min(LONGEST_STYLE if seconds is None else seconds, LONGEST_STYLE) * config.fps)
    sizes = config.style_encoder
    if seconds is None and sizes is not None and sizes.position == 'legacy':
        count = sizes.n_motions
    values = values[round(start * config.fps) :][:count]
    if len(values) < config.fps:
        raise StyleError(
            f'{len(values) / config.fps:.2f} s of motion from {start:g} s on; a style needs at least 1 s, '
            'preferably 4 s or more'
        )
    return values


def _columns(clip: MotionClip, wanted: MotionLayout) -> FloatArray:
    if clip.layout == wanted:
        return clip.values
    if clip.layout.space == wanted.space and set(wanted.names) < set(clip.layout.names):
        return clip.values[:, [clip.layout.index(name) for name in wanted.names]]
    if clip.layout.space == wanted.space and clip.layout.head_rotation is None:
        raise StyleError('the motion has no head rotation, from which this model takes a part of the style')
    raise StyleError(
        f'{clip.layout.space} motion of {clip.layout.width} columns; '
        f'this model takes {wanted.space} motion of {wanted.width}'
    )
