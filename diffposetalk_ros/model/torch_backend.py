# SPDX-License-Identifier: Apache-2.0
"""Runs the networks with torch, on a CPU or a GPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffposetalk_ros.diffusion.guidance import Branch, dynamic_threshold, guidance_branches, mix
from diffposetalk_ros.diffusion.samplers import Known, sample
from diffposetalk_ros.diffusion.schedule import step_pairs
from diffposetalk_ros.errors import ModelError, StyleError
from diffposetalk_ros.model.backend import FloatArray, SamplingConfig, WindowRequest
from diffposetalk_ros.model.config import LogMelConfig
from diffposetalk_ros.model.mel_context import clip_mel
from diffposetalk_ros.model.style_encoder import StyleEncoder
from diffposetalk_ros.model.torch_model import DiffPoseTalkModel

__all__ = ['TorchBackend']


class TorchBackend:
    """`Backend` over torch modules. Not thread-safe; arrays cross as float32 NumPy.

    ``device`` is anything torch accepts ('cpu', 'cuda', 'cuda:1').
    """

    def __init__(
        self, model: DiffPoseTalkModel, style_encoder: StyleEncoder | None = None, device: str = 'cpu'
    ) -> None:
        try:
            self._device = torch.device(device)
            self._model = model.to(self._device).eval()
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"device {device!r} cannot be used ({reason}); try 'cpu'") from error
        self._style_encoder = style_encoder.to(self._device).eval() if style_encoder else None
        self._schedule = model.diffusion_sched.schedule()
        self.config = model.config

    @classmethod
    def load(cls, folder: Path, device: str = 'cpu') -> TorchBackend:
        """Open a model folder. Raises ModelError or ConfigError naming what is wrong with it."""
        from diffposetalk_ros.model.store import load_model

        stored = load_model(folder)
        return cls(stored.model, stored.style_encoder, device)

    @torch.inference_mode()
    def encode_audio(self, samples: FloatArray, frames: int) -> FloatArray:
        """Speech (N, n) at 16 kHz -> features (N, frames, C); see `Backend`."""
        if self.config.audio_encoder != 'logmel':
            return _array(self._model.extract_audio_feature(self._tensor(samples), frames))
        return self.encode_mel(clip_mel(samples, frames, self.config.logmel or LogMelConfig()))

    @torch.inference_mode()
    def encode_mel(self, mel: FloatArray) -> FloatArray:
        """Normalised log mel with context -> features; see `Backend`."""
        return _array(self._model.encode_mel(self._tensor(mel)))

    @torch.inference_mode()
    def encode_style(self, motion: FloatArray) -> FloatArray:
        """Normalised motion (N, F, D) -> style (N, S); StyleError without a style encoder."""
        if self._style_encoder is None:
            raise StyleError('this model folder has no style encoder (style_encoder.safetensors)')
        if motion.ndim != 3 or motion.shape[2] != self.config.motion_dim:
            raise StyleError(f'style motion of shape {motion.shape}; need (N, F, {self.config.motion_dim})')
        return _array(self._style_encoder(self._tensor(motion)))

    @torch.inference_mode()
    def sample(self, request: WindowRequest, sampling: SamplingConfig) -> FloatArray:
        """Denoise a batch of windows -> x_0 (N, L, D), normalised; see `Backend`.

        Without a style the null style is used and style guidance is left out. Raises ConfigError
        for impossible sampling settings, ModelError for arrays that do not fit the model.
        """
        branches = self._branches(request, sampling)
        predict = _Prediction(self._model, request, branches, sampling, self._device)
        known = None
        if request.known is not None and request.known_weight is not None:
            known = Known(self._tensor(request.known), self._tensor(request.known_weight))
        step_noise = request.step_noise
        out = sample(
            sampling.solver,
            predict,
            self._tensor(request.noise),
            self._schedule,
            step_pairs(self._schedule.steps, sampling.steps),
            None if step_noise is None else lambda t: self._tensor(step_noise(t)),
            self.config.target,
            known,
            sampling.flexibility,
        )
        return _array(out)

    def _branches(self, request: WindowRequest, sampling: SamplingConfig) -> tuple[Branch, ...]:
        conditions = set(self.config.guiding_conditions)
        if request.style is None or not self.config.style_dim:
            conditions.discard('style')
        return guidance_branches(conditions, sampling.guidance, sampling.scale_audio, sampling.scale_style)

    def _tensor(self, array: NDArray[np.floating]) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(array, np.float32), device=self._device)


class _Prediction:
    """(x_t, t) -> guided output of the L current frames, for a fixed request.

    All branches run as one batch; the audio's part of every layer is computed once.
    """

    def __init__(
        self,
        model: DiffPoseTalkModel,
        request: WindowRequest,
        branches: tuple[Branch, ...],
        sampling: SamplingConfig,
        device: torch.device,
    ) -> None:
        def tensor(array: FloatArray | None) -> Tensor | None:
            if array is None:
                return None
            return torch.as_tensor(np.ascontiguousarray(array, np.float32), device=device)

        def every(value: Tensor | None, start: Tensor) -> Tensor:
            value = start.expand(count, -1, -1) if value is None else value
            return value.repeat(len(branches), 1, 1)

        count, frames = request.noise.shape[:2]
        self._weights = [branch.weight for branch in branches]
        self._net = model.denoising_net
        self._threshold = sampling.threshold
        audio, style, shape = tensor(request.audio), tensor(request.style), tensor(request.shape)
        if audio is None or audio.shape[:2] != (count, frames):
            raise ModelError(f'audio features {request.audio.shape} do not fit noise {request.noise.shape}')
        if style is None and model.config.style_dim:
            style = model.null_style(count)
        self._memory = self._net.remember(
            every(tensor(request.previous_audio), model.start_audio_feat),
            torch.cat([audio if b.audio else model.null_audio(count, frames) for b in branches]),
        )
        persons = [
            model.person(shape, style if b.style or style is None else model.null_style(count))
            for b in branches
        ]
        present = [person for person in persons if person is not None]
        self._person = torch.cat(present) if present else None
        self._previous = every(tensor(request.previous_motion), model.start_motion_feat)
        indicator = tensor(request.indicator)
        self._indicator = None if indicator is None else indicator.repeat(len(branches), 1)

    def __call__(self, x: Tensor, t: int) -> Tensor:
        count = len(self._weights)
        step = torch.full((count * x.shape[0],), t, dtype=torch.long, device=x.device)
        stacked = x.repeat(count, 1, 1)
        out = self._net.denoise(stacked, self._memory, self._person, self._previous, step, self._indicator)[
            :, -x.shape[1] :
        ]
        if self._threshold is not None:
            out = dynamic_threshold(out, *self._threshold)
        mixed: Tensor = mix(out, self._weights)
        return mixed


def _array(tensor: Tensor) -> FloatArray:
    result: FloatArray = tensor.float().cpu().numpy()
    return result
