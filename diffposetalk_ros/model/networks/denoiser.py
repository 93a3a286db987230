# SPDX-License-Identifier: Apache-2.0
"""The denoising network: a transformer decoder over a person token and motion tokens (SPEC 3)."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffposetalk_ros.errors import ModelError
from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.model.networks.attention import Attention
from diffposetalk_ros.model.networks.positions import sinusoidal_table

__all__ = ['Denoiser', 'LayerMemory', 'alignment_allowed']

_LEGACY_ROWS = 600


def alignment_allowed(motion_tokens: int, width: int) -> Tensor | None:
    """Which of the ``motion_tokens`` audio frames each token may see: bool (1 + tokens, tokens).

    Row 0 is the person token, which sees all. None (no restriction) for width <= 0. SPEC 3 step 7;
    note that True means allowed here.
    """
    if width <= 0:
        return None
    index = torch.arange(motion_tokens)
    band = (index[:, None] - index[None, :]).abs() <= width - 1
    return torch.cat([torch.ones(1, motion_tokens, dtype=torch.bool), band])


@dataclass(frozen=True)
class LayerMemory:
    """What one layer needs of the audio: split keys and values (N, heads, P + L, head width) and,
    at mask width 1, the finished cross-attention output of the motion tokens (N, P + L, C)."""

    key: Tensor
    value: Tensor
    aligned: Tensor | None


class _DecoderLayer(nn.Module):
    """Post-norm decoder layer with torch's parameter names."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads, dropout)
        self.multihead_attn = Attention(width, heads, dropout)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def remember(self, memory: Tensor, aligned: bool) -> LayerMemory:
        key, value = self.multihead_attn.keys_values(memory)
        return LayerMemory(key, value, self.multihead_attn.aligned(value) if aligned else None)

    def forward(self, h: Tensor, memory: LayerMemory, allowed: Tensor | None) -> Tensor:
        h = self.norm1(h + self.dropout(self.self_attn.to_self(h)))
        if memory.aligned is None:
            seen = self.multihead_attn.attend(h, memory.key, memory.value, allowed)
        else:
            person = self.multihead_attn.attend(h[:, :1], memory.key, memory.value)
            seen = torch.cat([person, memory.aligned], dim=1)
        h = self.norm2(h + self.dropout(seen))
        feed = self.linear2(self.dropout(F.gelu(self.linear1(h))))
        out: Tensor = self.norm3(h + self.dropout(feed))
        return out


class _Decoder(nn.Module):
    """The stack; all layers start as copies of one, as torch's own decoder does."""

    def __init__(self, config: ModelConfig, dropout: float) -> None:
        super().__init__()
        width = config.feature_dim
        layer = _DecoderLayer(width, config.n_heads, config.mlp_ratio * width, dropout)
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(config.n_layers))


class Denoiser(nn.Module):
    """Predicts clean motion (or noise) of P previous and L current frames.

    Parameter names are those of ``denoising_net`` in the official state dict. Tables and masks that
    follow from the configuration are computed, not stored. Where ``config.variable_window`` is set,
    windows of 1..n_motions frames are accepted; they use the first rows of the position table.
    """

    step_table: Tensor
    legacy_position: Tensor
    allowed: Tensor | None

    def __init__(self, config: ModelConfig, dropout: float = 0.1) -> None:
        super().__init__()
        self.config = config
        width, motion = config.feature_dim, config.motion_dim
        tokens = config.n_prev_motions + config.n_motions
        self.register_buffer('step_table', sinusoidal_table(config.n_diff_steps + 1, width), persistent=False)
        if config.learnable_pe:
            self.PE = nn.Parameter(torch.randn(1, 1 + tokens, width))
        else:
            # The reference indexes its table by the sequence length: one row for every token (SPEC 4.2).
            table = sinusoidal_table(max(_LEGACY_ROWS, tokens + 2), width)
            self.register_buffer('legacy_position', table, persistent=False)
        self.register_buffer('allowed', alignment_allowed(tokens, config.align_mask_width), persistent=False)
        self.diff_step_map = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        person = config.person_dim
        self.person_proj = nn.Linear(person, width) if person else None
        self.feature_proj = nn.Linear(motion + int(config.use_indicator), width)
        self.transformer = _Decoder(config, dropout)
        self.motion_dec = nn.Sequential(
            nn.Linear(width, width // 2), nn.GELU(), nn.Linear(width // 2, motion)
        )
        self.position_dropout = nn.Dropout(0.0 if config.learnable_pe else dropout)

    def layers(self) -> list[_DecoderLayer]:
        """The decoder layers in order."""
        return [layer for layer in self.transformer.layers if isinstance(layer, _DecoderLayer)]

    def remember(self, previous_audio: Tensor, audio: Tensor) -> list[LayerMemory]:
        """Per-layer memory of (N, P, C) and (N, L, C); it does not depend on the diffusion step."""
        memory = torch.cat([previous_audio, audio], dim=1)
        aligned = self.config.align_mask_width == 1
        return [layer.remember(memory, aligned) for layer in self.layers()]

    def forward(
        self,
        motion: Tensor,
        audio: Tensor,
        person: Tensor | None,
        previous_motion: Tensor,
        previous_audio: Tensor,
        step: Tensor,
        indicator: Tensor | None = None,
    ) -> Tensor:
        """Noisy motion (N, L, D), audio (N, L, C), person (N, 1, person_dim) or None if the model
        has none, previous (N, P, D) and (N, P, C), step (N) of 1..T, indicator (N, L)
        -> (N, P + L, D).

        Raises ModelError for a window length or indicator the model was not built for.
        """
        memory = self.remember(previous_audio, audio)
        return self.denoise(motion, memory, person, previous_motion, step, indicator)

    def denoise(
        self,
        motion: Tensor,
        memory: list[LayerMemory],
        person: Tensor | None,
        previous_motion: Tensor,
        step: Tensor,
        indicator: Tensor | None = None,
    ) -> Tensor:
        """As `forward`, with the audio already turned into per-layer memory by `remember`."""
        self._check(motion.shape[1], indicator is not None, person is not None)
        embedded = self.diff_step_map(self.step_table[step])[:, None]
        if self.person_proj is not None:
            embedded = embedded + self.person_proj(person)
        frames = torch.cat([previous_motion, motion], dim=1)
        if indicator is not None:
            flags = torch.cat([torch.zeros_like(previous_motion[..., 0]), indicator], dim=1)
            frames = torch.cat([frames, flags[..., None]], dim=-1)
        h = torch.cat([embedded, self.feature_proj(frames)], dim=1)
        tokens = h.shape[1]
        position = self.PE[:, :tokens] if self.config.learnable_pe else self.legacy_position[tokens]
        h = self.position_dropout(h + position)
        allowed = None if self.allowed is None else self.allowed[:tokens, : tokens - 1]
        for layer, layer_memory in zip(self.layers(), memory, strict=True):
            h = layer(h, layer_memory, allowed)
        out: Tensor = self.motion_dec(h[:, 1:])
        return out

    def _check(self, window: int, indicator: bool, person: bool) -> None:
        full = self.config.n_motions
        if window != full and not (self.config.variable_window and 1 <= window < full):
            allowed = f'1..{full}' if self.config.variable_window else f'exactly {full}'
            raise ModelError(f'a window of {window} frames does not fit this model; it takes {allowed}')
        if indicator != self.config.use_indicator:
            need = 'needs an' if self.config.use_indicator else 'takes no'
            raise ModelError(f'this model {need} indicator (use_indicator in config.json)')
        if person != (self.person_proj is not None):
            need = 'needs a' if self.person_proj is not None else 'takes no'
            raise ModelError(f'this model {need} shape or style condition')
