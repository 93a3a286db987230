# SPDX-License-Identifier: Apache-2.0
"""Convolutions in front of HuBERT and wav2vec2, piece by piece, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ['convolve']

_PIECE_FRAMES = 1000
"""Output frames (20 ms each) per piece: 20 s, or about 130 MB in the first layer of a base model."""


def convolve(extractor: nn.Module, samples: Tensor, piece: int = _PIECE_FRAMES) -> Tensor:
    """Feature extractor of transformers' HuBERT or wav2vec2 over (N, n) -> (N, channels, frames).

    The result equals that of one call on the whole clip, up to rounding. If the first layer normalises over the
    whole clip, its statistics are computed in a separate pass. In training mode, and for clips of one
    piece, the extractor is called on the whole clip.
    """
    layers: Any = extractor.get_submodule('conv_layers')
    stride, width = _reach(layers)
    frames = (samples.shape[1] - width) // stride + 1
    if torch.is_grad_enabled() or frames <= piece:
        whole: Tensor = extractor(samples)
        return whole
    first = layers[0]
    norm = getattr(first, 'layer_norm', None)
    if not isinstance(norm, nn.GroupNorm):
        return torch.cat([extractor(part) for part in _pieces(samples, frames, piece, stride, width)], 2)
    scale, offset = _clip_normalisation(first.conv, norm, samples, piece * stride)
    done = []
    for part in _pieces(samples, frames, piece, stride, width):
        hidden = first.activation(first.conv(part[:, None]) * scale + offset)
        for layer in layers[1:]:
            hidden = layer(hidden)
        done.append(hidden)
    return torch.cat(done, dim=2)


def _reach(layers: Any) -> tuple[int, int]:
    """Stride and receptive field in samples of the whole stack."""
    stride, width = 1, 1
    for layer in layers:
        width += (layer.conv.kernel_size[0] - 1) * stride
        stride *= layer.conv.stride[0]
    return stride, width


def _pieces(samples: Tensor, frames: int, piece: int, stride: int, width: int) -> Iterator[Tensor]:
    """Consecutive ranges of samples that give up to ``piece`` frames each."""
    for start in range(0, frames, piece):
        stop = min(start + piece, frames)
        yield samples[:, start * stride : (stop - 1) * stride + width]


def _clip_normalisation(
    conv: nn.Conv1d, norm: nn.GroupNorm, samples: Tensor, piece: int
) -> tuple[Tensor, Tensor]:
    """Scale and offset (N, channels, 1) that stand for a GroupNorm of one channel per group."""
    stride, width = conv.stride[0], conv.kernel_size[0]
    frames = (samples.shape[1] - width) // stride + 1
    shape = (samples.shape[0], conv.out_channels)
    total = samples.new_zeros(shape, dtype=torch.float64)
    squares = torch.zeros_like(total)
    for part in _pieces(samples, frames, max(1, piece // stride), stride, width):
        hidden = conv(part[:, None])
        total += hidden.sum(2, dtype=torch.float64)
        squares += hidden.square().sum(2, dtype=torch.float64)
    mean = total / frames
    spread = torch.sqrt(squares / frames - mean**2 + norm.eps)
    scale = norm.weight / spread
    offset = norm.bias - mean * scale
    return scale.to(samples.dtype)[..., None], offset.to(samples.dtype)[..., None]
