# SPDX-License-Identifier: Apache-2.0
"""Windows and speech for benchmarks; speed does not depend on their values."""

from __future__ import annotations

import numpy as np

from diffposetalk_ros.model.backend import FloatArray, WindowRequest
from diffposetalk_ros.model.config import ModelConfig

__all__ = ['speech_like', 'window_request']


def window_request(config: ModelConfig, count: int, frames: int) -> WindowRequest:
    """A batch of ``count`` windows of ``frames`` frames with every condition the model takes.

    A model of fixed windows gets whole ones, padded as live hops are.
    """
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> FloatArray:
        return rng.standard_normal(shape, np.float32)

    real = np.arange(frames) < frames
    if not config.variable_window:
        real, frames = np.arange(config.n_motions) < frames, config.n_motions
    return WindowRequest(
        audio=normal(count, frames, config.feature_dim),
        noise=normal(count, frames, config.motion_dim),
        previous_motion=normal(count, config.n_prev_motions, config.motion_dim),
        previous_audio=normal(count, config.n_prev_motions, config.feature_dim),
        style=normal(count, config.style_dim) if config.style_dim else None,
        shape=normal(count, config.shape_dim) if config.shape_dim else None,
        indicator=np.tile(real.astype(np.float32), (count, 1)) if config.use_indicator else None,
        step_noise=lambda t: normal(count, frames, config.motion_dim),
    )


def speech_like(seconds: float, seed: int = 0) -> FloatArray:
    """Noise with the rhythm of syllables, 16 kHz."""
    count = round(16000 * seconds)
    swell = np.sin(2 * np.pi * 4 * np.arange(count) / 16000) ** 2
    noise = np.random.default_rng(seed).normal(0.0, 0.1, count)
    sound: FloatArray = (noise * swell).astype(np.float32)
    return sound
