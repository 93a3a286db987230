# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.errors import StyleError
from diffposetalk_ros.model.clip_style import clip_style, style_frames
from diffposetalk_ros.model.config import ModelConfig, StyleEncoderConfig
from diffposetalk_ros.motion.motion_clip import MotionClip

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


def test_frames_are_those_from_the_start_on_for_as_long_as_asked():
    config = ModelConfig(style_encoder=StyleEncoderConfig(position='per_frame'))
    values = np.zeros((250, config.layout.width), np.float32)
    values[:, 0] = np.linspace(0, 1, 250, dtype=np.float32)
    clip = MotionClip(values, config.fps, config.layout)
    np.testing.assert_array_equal(style_frames(config, clip, 2.0, 4.0), values[50:150])
    np.testing.assert_array_equal(style_frames(config, clip, 2.0), values[50:])


@pytest.mark.parametrize(
    ('start', 'seconds'),
    [(-2.0, None), (np.nan, None), (np.inf, None), (0.0, 0.0), (0.0, -2.0), (0.0, np.nan)],
)
def test_a_stretch_that_no_clip_has_is_refused(start, seconds):
    clip = MotionClip(np.zeros((250, CONFIG.layout.width), np.float32), CONFIG.fps, CONFIG.layout)
    with pytest.raises(StyleError, match='start'):
        style_frames(CONFIG, clip, start, seconds)
