# SPDX-License-Identifier: Apache-2.0
"""The denoising network: a transformer decoder over a person token and motion tokens (docs/method.md, 3)."""

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

__all__ = ['Denoiser', 'KVCache', 'attention_mask']

_LEGACY_ROWS = 600


def attention_mask(motion_tokens: int, width: int) -> Tensor | None:
    """Mask of the cross-attention (docs/method.md, 3 step 7): bool (1 + motion_tokens, motion_tokens).

    True lets a token attend to an audio frame, as in `torch.nn.functional.scaled_dot_product_attention`.
    The official code stores the opposite. Row 0 is the person token, which attends to all frames; row
    1 + i attends to frames less than ``width`` away from i. None, for width <= 0, means no mask.
    """
    if width <= 0:
        return None
    index = torch.arange(motion_tokens)
    band = (index[:, None] - index[None, :]).abs() <= width - 1
    return torch.cat([torch.ones(1, motion_tokens, dtype=torch.bool), band])


@dataclass(frozen=True)
class KVCache:
    """The part of a layer's cross-attention that depends only on the audio.

    ``key`` and ``value`` are (N, heads, P + L, head width). With a mask of width 1, ``aligned``
    (N, P + L, C) is the finished cross-attention output of the motion tokens.
    """

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

    def project_kv(self, memory: Tensor, aligned: bool) -> KVCache:
        key, value = self.multihead_attn.project_kv(memory)
        return KVCache(key, value, self.multihead_attn.attend_aligned(value) if aligned else None)

    def forward(self, h: Tensor, cache: KVCache, mask: Tensor | None) -> Tensor:
        h = self.norm1(h + self.dropout(self.self_attn.self_attend(h)))
        if cache.aligned is None:
            attended = self.multihead_attn.cross_attend(h, cache.key, cache.value, mask)
        else:
            person = self.multihead_attn.cross_attend(h[:, :1], cache.key, cache.value)
            attended = torch.cat([person, cache.aligned], dim=1)
        h = self.norm2(h + self.dropout(attended))
        feed = self.linear2(self.dropout(F.gelu(self.linear1(h))))
        out: Tensor = self.norm3(h + self.dropout(feed))
        return out


class _Decoder(nn.Module):
    """The stack of layers; all of them start as copies of one, as in torch's own decoder."""

    def __init__(self, config: ModelConfig, dropout: float) -> None:
        super().__init__()
        width = config.feature_dim
        layer = _DecoderLayer(width, config.n_heads, config.mlp_ratio * width, dropout)
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(config.n_layers))


class Denoiser(nn.Module):
    """Predicts clean motion (or noise) of P previous and L current frames.

    Parameter names are those of ``denoising_net`` in the official state dict. Tables and masks that
    follow from the configuration are computed and not stored. With ``config.variable_window``, windows
    of 1 to n_motions frames are accepted, and they use the first rows of the position table.
    """

    step_table: Tensor
    legacy_position: Tensor
    attention_mask: Tensor | None

    def __init__(self, config: ModelConfig, dropout: float = 0.1) -> None:
        super().__init__()
        self.config = config
        width, motion = config.feature_dim, config.motion_dim
        tokens = config.n_prev_motions + config.n_motions
        self.register_buffer('step_table', sinusoidal_table(config.n_diff_steps + 1, width), persistent=False)
        if config.learnable_pe:
            self.PE = nn.Parameter(torch.randn(1, 1 + tokens, width))
        else:
            # The reference indexes its table by the sequence length: one row for all tokens (docs/method.md, 4.2).
            table = sinusoidal_table(max(_LEGACY_ROWS, tokens + 2), width)
            self.register_buffer('legacy_position', table, persistent=False)
        mask = attention_mask(tokens, config.align_mask_width)
        self.register_buffer('attention_mask', mask, persistent=False)
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

    def project_kv(self, previous_audio: Tensor, audio: Tensor) -> list[KVCache]:
        """Keys and values of every layer for (N, P, C) and (N, L, C).

        They do not depend on the diffusion step, so one window needs them once.
        """
        memory = torch.cat([previous_audio, audio], dim=1)
        aligned = self.config.align_mask_width == 1
        return [layer.project_kv(memory, aligned) for layer in self.layers()]

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
        """Prediction (N, P + L, D) for noisy motion at a diffusion step.

        Args:
            motion: x_t (N, L, D).
            audio: features (N, L, C).
            person: input of the person token (N, 1, person_dim), or None if the model has none.
            previous_motion: (N, P, D), free of noise.
            previous_audio: (N, P, C).
            step: t (N), whole numbers of 1 to T.
            indicator: (N, L), 1 for real frames, or None if the model has none.

        Raises ModelError for a window length or a condition that the model was not built for.
        """
        cache = self.project_kv(previous_audio, audio)
        return self.denoise(motion, cache, person, previous_motion, step, indicator)

    def denoise(
        self,
        motion: Tensor,
        cache: list[KVCache],
        person: Tensor | None,
        previous_motion: Tensor,
        step: Tensor,
        indicator: Tensor | None = None,
    ) -> Tensor:
        """Same as `forward`, with the audio given as the keys and values of `project_kv`."""
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
        mask = None if self.attention_mask is None else self.attention_mask[:tokens, : tokens - 1]
        for layer, layer_cache in zip(self.layers(), cache, strict=True):
            h = layer(h, layer_cache, mask)
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
