# SPDX-License-Identifier: Apache-2.0
"""The contract between the streaming code and whatever runs the networks (torch or ONNX Runtime)."""

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
    'Backend', 'FloatArray', 'SamplingConfig', 'WindowRequest', 'check_motion', 'noise_scale', 'sampling_for',
]  # fmt: skip

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class SamplingConfig:
    """How a window is denoised.

    ``solver``: 'ddpm' (the reference's ancestral sampler), 'ddim' or 'dpmpp_2m'. ``steps`` counts
    network evaluations. ``guidance``: 'incremental', 'independent' or 'independent_aliased' (the
    reference's accumulator quirk, SPEC 5.2 step 8); None: as the reference runs the model's `cfg_mode`.
    ``conditions``: of 'audio' and 'style' those to guide by; None: all the model was trained for. A scale
    of 1 prunes its branch. ``threshold`` is (quantile, lowest, highest) of dynamic thresholding or None.
    ``mouth_noise`` 0..1 replaces the model's own (`ModelConfig.mouth_noise`): less of it is a surer mouth,
    the rest of the face stays free.
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


def sampling_for(config: ModelConfig, sampling: SamplingConfig) -> SamplingConfig:
    """How a model is sampled when ``sampling`` is wanted.

    A regressor answers in one step, whatever is wanted, and was trained with every condition in place,
    so there is nothing to guide away from.
    """
    if not config.deterministic:
        return sampling
    return replace(sampling, solver='ddim', steps=1, scale_audio=1.0, scale_style=1.0)


def noise_scale(config: ModelConfig, sampling: SamplingConfig) -> FloatArray:
    """Standard deviation (D,) of x_T and of an ancestral step's noise by column; 0 for a regressor.

    Raises ConfigError for a mouth noise outside 0..1.
    """
    if config.deterministic:
        return np.zeros(config.motion_dim, np.float32)
    mouth = config.mouth_noise if sampling.mouth_noise is None else sampling.mouth_noise
    if not 0 <= mouth <= 1:
        raise ConfigError(f'mouth noise {mouth}; use 0 (always the same mouth) to 1 (the paper)')
    return by_column(RegionValues(mouth=mouth), config.layout).astype(np.float32)


def check_motion(motion: FloatArray, start: int) -> None:
    """Raise ModelError where motion (frames, D), from frame ``start`` on, is not finite."""
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
    """Runs the networks of one model. Arrays cross this border as NumPy; a device stays inside.

    Not thread-safe: one worker thread owns a backend.
    """

    config: ModelConfig

    @property
    def runner(self) -> str:
        """What computes, and where, for people: 'torch on cuda:1/bfloat16'."""
        ...

    def encode_audio(self, samples: FloatArray, frames: int) -> FloatArray:
        """Speech (N, n) at 16 kHz -> features (N, frames, C).

        HuBERT and wav2vec2 expect normalised audio (SPEC 2.1); 'logmel' raw audio in [-1, 1].
        """
        ...

    def encode_mel(self, mel: FloatArray) -> FloatArray:
        """Normalised log-mel with context (N, left + 4 F + right, mels) -> features (N, F, C)."""
        ...

    def encode_style(self, motion: FloatArray) -> FloatArray:
        """Normalised motion (N, F, D) -> style (N, S)."""
        ...

    def sample(self, request: WindowRequest, sampling: SamplingConfig) -> FloatArray:
        """Denoise a batch of windows -> x_0 (N, L, D), normalised."""
        ...
