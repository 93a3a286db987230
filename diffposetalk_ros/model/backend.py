# SPDX-License-Identifier: Apache-2.0
"""Interface between the code around the networks and what runs them (torch or ONNX Runtime)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.diffusion.sampler import Inpainting
from diffposetalk_ros.errors import ConfigError, ModelError
from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.motion.regions import RegionValues, by_column

__all__ = [
    'LIVE_SAMPLING', 'Backend', 'FloatArray', 'SamplingConfig', 'WindowRequest', 'check_motion', 'noise_scale',
    'sampling_for',
]  # fmt: skip

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class SamplingConfig:
    """How a window is denoised.

    Args:
        solver: 'ddpm' (ancestral sampling, as in the official code), 'ddim' or 'dpmpp_2m'.
        steps: evaluations of the network per window and branch, 1 to T.
        scale_audio: guidance by speech, w_a. A scale of 1 makes its branch unnecessary.
        scale_style: guidance by style, w_s.
        guidance: 'incremental', 'independent' or 'independent_textbook' (see `guidance_branches`), or None
            for the mode that the model was trained with (`ModelConfig.cfg_mode`).
        conditions: those of 'audio' and 'style' to guide by, or None for all that the model was trained for.
        threshold: dynamic thresholding as (quantile, lowest, highest), or None. The bounds are in standard
            deviations of the motion.
        flexibility: noise of ancestral steps, from 0 (the smaller variance, as in the official code) to 1.
        mouth_noise: 0 to 1, replaces `ModelConfig.mouth_noise`, or None. Less noise makes the mouth vary less,
            while the rest of the face keeps its full variation.
        spacing: 'even' or 'quadratic', how the steps lie between noise and motion (`diffusion.schedule.timesteps`).
    """

    solver: str = 'ddim'
    steps: int = 8
    scale_audio: float = 1.25
    scale_style: float = 1.0
    guidance: str | None = None
    conditions: tuple[str, ...] | None = None
    threshold: tuple[float, float, float] | None = None
    flexibility: float = 0.0
    mouth_noise: float | None = None
    spacing: str = 'even'


LIVE_SAMPLING = SamplingConfig('ddim', 2, scale_audio=1.0, spacing='quadratic')
"""Default of the live node: two evaluations per window, without guidance."""


def sampling_for(config: ModelConfig, sampling: SamplingConfig) -> SamplingConfig:
    """Settings that a model can be sampled with, given the wanted ones.

    A regressor always takes one step. It was trained with all conditions in place, so it has no guidance.
    """
    if not config.deterministic:
        return sampling
    return replace(sampling, solver='ddim', steps=1, scale_audio=1.0, scale_style=1.0)


def noise_scale(config: ModelConfig, sampling: SamplingConfig) -> FloatArray:
    """Standard deviation (D,) of x_T and of the noise of ancestral steps by column; 0 for a regressor.

    Raises ConfigError for a mouth noise outside 0 to 1.
    """
    if config.deterministic:
        return np.zeros(config.motion_dim, np.float32)
    mouth = config.mouth_noise if sampling.mouth_noise is None else sampling.mouth_noise
    if not 0 <= mouth <= 1:
        raise ConfigError(f'mouth noise {mouth}; use 0 (always the same mouth) to 1 (the paper)')
    return by_column(RegionValues(mouth=mouth), config.layout).astype(np.float32)


def check_motion(motion: FloatArray, start: int) -> None:
    """Raise ModelError unless motion (frames, D), which begins at frame ``start``, is finite."""
    if not np.isfinite(motion).all():
        raise ModelError(
            f'the model gave NaN or infinite motion for frames {start}..{start + len(motion) - 1}; '
            'are its weights damaged? copy the model folder again'
        )


@dataclass(frozen=True)
class WindowRequest:
    """A batch of N windows of L frames to denoise. Arrays are float32, motion is normalised.

    L is `ModelConfig.n_motions`, or less where the model has a variable window.

    Args:
        audio: features (N, L, C).
        noise: x_T (N, L, D).
        previous_motion: the P frames before the window (N, P, D), or None for the learned start.
        previous_audio: their features (N, P, C), or None for the learned start.
        style: (N, S), or None for the null style.
        shape: normalised FLAME identity (N, 100), or None for a model without identity.
        indicator: (N, L), 1 for a real frame and 0 for padding, or None for a model without indicator.
        step_noise: t -> noise z (N, L, D) of the ancestral step that starts at t, 1 <= t <= T.
        inpainting: frames that are known already, with their weights.
    """

    audio: FloatArray
    noise: FloatArray
    previous_motion: FloatArray | None = None
    previous_audio: FloatArray | None = None
    style: FloatArray | None = None
    shape: FloatArray | None = None
    indicator: FloatArray | None = None
    step_noise: Callable[[int], FloatArray] | None = None
    inpainting: Inpainting | None = None


class Backend(Protocol):
    """Runs the networks of one model. Inputs and outputs are NumPy arrays on the host.

    Not thread-safe: one worker thread owns a backend.
    """

    config: ModelConfig

    @property
    def runner(self) -> str:
        """Name of software and hardware, for example 'torch on cuda:1/bfloat16'."""
        ...

    def encode_audio(self, samples: FloatArray, frames: int) -> FloatArray:
        """Encode speech (N, n) at 16 kHz as features (N, frames, C).

        HuBERT and wav2vec2 take normalised audio (`normalise_audio`), a log-mel model takes audio in
        [-1, 1].
        """
        ...

    def encode_mel(self, mel: FloatArray) -> FloatArray:
        """Encode normalised log mel with its context (N, left + 4 F + right, mels) as (N, F, C)."""
        ...

    def encode_style(self, motion: FloatArray) -> FloatArray:
        """Encode normalised motion (N, F, D) as a style (N, S)."""
        ...

    def sample(self, request: WindowRequest, sampling: SamplingConfig) -> FloatArray:
        """Denoise a batch of windows: normalised x_0 (N, L, D)."""
        ...
