# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.model.clip_style import clip_style
from diffposetalk_ros.model.config import ModelConfig, StyleEncoderConfig

CONFIG = ModelConfig(style_encoder=StyleEncoderConfig(n_motions=50))


def encode(motion: np.ndarray) -> np.ndarray:
    return motion.mean(axis=1)[:, :3] * motion.shape[1]


@pytest.mark.parametrize('frames', [25, 49, 50, 99])
def test_a_clip_of_less_than_two_stretches_is_encoded_once(frames):
    motion = np.random.default_rng(0).normal(size=(frames, 5)).astype('f4')
    seen = motion[:50]
    np.testing.assert_array_equal(clip_style(CONFIG, encode, motion), encode(seen[None])[0])


def test_a_longer_clip_is_the_mean_of_its_whole_stretches():
    motion = np.random.default_rng(0).normal(size=(170, 5)).astype('f4')
    parts = [encode(motion[None, i : i + 50])[0] for i in (0, 50, 100)]
    np.testing.assert_allclose(clip_style(CONFIG, encode, motion), np.mean(parts, axis=0), rtol=1e-6)
