# SPDX-License-Identifier: Apache-2.0
"""The style encoder: motion of one clip -> one style vector (docs/method.md, 4)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffposetalk_ros.errors import StyleError
from diffposetalk_ros.model.config import StyleEncoderConfig
from diffposetalk_ros.model.networks.attention import Attention
from diffposetalk_ros.model.networks.positions import sinusoidal_table

__all__ = ['StyleEncoder']

_MAX_FRAMES = 2047


class _EncoderLayer(nn.Module):
    """Post-norm encoder layer with torch's parameter names."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads, dropout)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor) -> Tensor:
        h = self.norm1(h + self.dropout(self.self_attn.self_attend(h)))
        feed = self.linear2(self.dropout(F.gelu(self.linear1(h))))
        out: Tensor = self.norm2(h + self.dropout(feed))
        return out


class _Encoder(nn.Module):
    def __init__(self, config: StyleEncoderConfig, dropout: float) -> None:
        super().__init__()
        width = config.feature_dim
        layer = _EncoderLayer(width, config.n_heads, config.mlp_ratio * width, dropout)
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(config.n_layers))


class StyleEncoder(nn.Module):
    """Normalised motion (N, F, D) -> style (N, feature_dim), the mean over the encoded frames.

    With ``position`` 'legacy' the result does not depend on the order of the frames (docs/method.md, 4.2).
    """

    positions: Tensor

    def __init__(self, config: StyleEncoderConfig, motion_dim: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.config = config
        self.motion_proj = nn.Linear(motion_dim, config.feature_dim)
        self.transformer = _Encoder(config, dropout)
        self.dropout = nn.Dropout(dropout)
        table = sinusoidal_table(_MAX_FRAMES + 1, config.feature_dim)
        self.register_buffer('positions', table, persistent=False)

    def forward(self, motion: Tensor) -> Tensor:
        """Encode clips of 1..2047 frames. Raises StyleError for other lengths."""
        frames = motion.shape[1]
        if not 1 <= frames <= _MAX_FRAMES:
            raise StyleError(f'a style clip of {frames} frames; give 1 to {_MAX_FRAMES}, best about 100')
        legacy = self.config.position == 'legacy'
        position = self.positions[frames] if legacy else self.positions[:frames]
        h = self.dropout(self.motion_proj(motion) + position)
        for layer in self.transformer.layers:
            h = layer(h)
        return torch.mean(h, dim=1)
