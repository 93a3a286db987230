# SPDX-License-Identifier: Apache-2.0
"""All trained parts of one model in one torch module, with the published parameter names (docs/method.md, 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffposetalk_ros.diffusion.schedule import NoiseSchedule, make_schedule
from diffposetalk_ros.errors import ModelError
from diffposetalk_ros.model.config import LogMelConfig, ModelConfig
from diffposetalk_ros.model.networks.denoiser import Denoiser
from diffposetalk_ros.model.networks.speech_encoder import make_speech_encoder, speech_features, speech_width

__all__ = ['DiffPoseTalkModel', 'ScheduleBuffers']

_NAMES = ('betas', 'alphas', 'alpha_bars', 'sigmas_flex', 'sigmas_inflex')


class ScheduleBuffers(nn.Module):
    """The noise schedule as float32 buffers of length T + 1, stored with the weights."""

    alpha_bars: Tensor

    def __init__(self, schedule: NoiseSchedule) -> None:
        super().__init__()
        for name in _NAMES:
            self.register_buffer(name, torch.tensor(getattr(schedule, name), dtype=torch.float32))

    def schedule(self) -> NoiseSchedule:
        """Schedule of the buffers, in Python floats."""
        return NoiseSchedule(*(tuple(getattr(self, name).tolist()) for name in _NAMES))

    def add_noise(self, clean: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """x_t of clean motion (N, L, D) at steps t (N): the forward process (docs/method.md, 9.2)."""
        bar = self.alpha_bars[step].view(-1, 1, 1)
        return torch.sqrt(bar) * clean + torch.sqrt(1 - bar) * noise


class DiffPoseTalkModel(nn.Module):
    """Audio encoder, start and null features, denoiser and schedule of one configuration."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.audio_encoder, width = _audio_encoder(config)
        self.audio_feature_map = nn.Linear(width, config.feature_dim)
        previous = config.n_prev_motions
        self.start_audio_feat = nn.Parameter(torch.randn(1, previous, config.feature_dim))
        self.start_motion_feat = nn.Parameter(torch.randn(1, previous, config.motion_dim))
        if 'style' in config.guiding_conditions and config.style_dim:
            self.null_style_feat = nn.Parameter(torch.randn(1, 1, config.style_dim))
        if 'audio' in config.guiding_conditions:
            self.null_audio_feat = nn.Parameter(torch.randn(1, 1, config.feature_dim))
        self.denoising_net = Denoiser(config)
        self.diffusion_sched = ScheduleBuffers(make_schedule(config.diff_schedule, config.n_diff_steps))

    def extract_audio_feature(self, samples: Tensor, frames: int) -> Tensor:
        """Normalised speech (N, n) at 16 kHz -> (N, frames, C); HuBERT and wav2vec2 only."""
        if self.config.audio_encoder == 'logmel':
            raise ModelError('this model encodes log mel; use encode_mel')
        hidden = speech_features(self.audio_encoder, samples, frames, self.config.fps)
        out: Tensor = self.audio_feature_map(hidden)
        return out

    def encode_mel(self, mel: Tensor) -> Tensor:
        """Normalised log mel with context (N, left + 4 F + right, mels) -> (N, F, C)."""
        if self.config.audio_encoder != 'logmel':
            raise ModelError(f'this model encodes speech through {self.config.audio_encoder}, not log mel')
        out: Tensor = self.audio_feature_map(self.audio_encoder(mel))
        return out

    def null_style(self, count: int) -> Tensor:
        """Trained feature for 'no style' (N, S). Raises ModelError if the model has none."""
        if not hasattr(self, 'null_style_feat'):
            raise ModelError('this model was trained without a null style; give a style')
        return self.null_style_feat[:, 0].expand(count, -1)

    def null_audio(self, count: int, frames: int) -> Tensor:
        """Trained feature for 'no audio' (N, frames, C), for the current window only.

        Raises ModelError if the model has none.
        """
        if not hasattr(self, 'null_audio_feat'):
            raise ModelError('this model was trained without null audio; set scale_audio to 1')
        return self.null_audio_feat.expand(count, frames, -1)

    def person_feature(
        self, shape: Tensor | None, style: Tensor | None, scales: Tensor | None = None
    ) -> Tensor | None:
        """Input of the person token (N, 1, person_dim): shape, style and scales in this order.

        Args:
            shape: (N, shape_dim) or None.
            style: (N, style_dim) or None.
            scales: code of the guidance scales (N, 2), for distilled models only.

        Returns None for a model that takes none of them. Raises ModelError naming a condition that is
        missing, surplus or of the wrong width.
        """
        parts = []
        config = self.config
        given = (
            ('shape', shape, config.shape_dim),
            ('style', style, config.style_dim),
            ('scale', scales, config.scale_dim),
        )
        for name, value, width in given:
            found = 0 if value is None else value.shape[-1]
            if found != width:
                raise ModelError(f'a {name} code of {found} numbers; this model takes {width}')
            if value is not None:
                parts.append(value)
        return torch.cat(parts, dim=-1)[:, None] if parts else None


def _audio_encoder(config: ModelConfig) -> tuple[nn.Module, int]:
    if config.audio_encoder == 'logmel':
        from diffposetalk_ros.model.networks.logmel_encoder import LogMelEncoder

        encoder = LogMelEncoder(config.logmel or LogMelConfig())
        return encoder, encoder.out_dim
    speech = make_speech_encoder(config.audio_encoder, config.audio_encoder_config)
    return speech, speech_width(speech)
