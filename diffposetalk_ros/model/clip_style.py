# SPDX-License-Identifier: Apache-2.0
"""The speaking style of a motion clip of any length."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from diffposetalk_ros.model.backend import FloatArray
from diffposetalk_ros.model.config import ModelConfig, StyleEncoderConfig

__all__ = ['Encode', 'clip_style']

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
