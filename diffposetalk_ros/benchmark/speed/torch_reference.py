# SPDX-License-Identifier: Apache-2.0
"""The algorithm of the paper's code, built from torch's own modules after docs/method.md, 3 and 5.

Three guidance branches in one batch, the decoder whole at every step, attention over the audio with a
mask, float32, eager. Weights are random, because only its time matters.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.model.networks.denoiser import attention_mask
from diffposetalk_ros.model.networks.diffposetalk import ScheduleBuffers
from diffposetalk_ros.model.networks.positions import sinusoidal_table

__all__ = ['ReferenceDenoiser', 'finish', 'reference_hubert', 'sample_ancestral']


class ReferenceDenoiser(nn.Module):
    """docs/method.md, 3 with `torch.nn.TransformerDecoder`."""

    table: Tensor
    mask: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, tokens = config.feature_dim, config.n_prev_motions + config.n_motions
        self.config = config
        self.register_buffer('table', sinusoidal_table(config.n_diff_steps + 1, width))
        allowed = attention_mask(tokens, config.align_mask_width)
        assert allowed is not None
        self.register_buffer('mask', ~allowed)
        self.position = nn.Parameter(torch.randn(1, 1 + tokens, width))
        self.step_map = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.person = nn.Linear(config.shape_dim + config.style_dim, width)
        self.motion_in = nn.Linear(config.motion_dim + 1, width)
        layer = nn.TransformerDecoderLayer(
            width, config.n_heads, config.mlp_ratio * width, activation='gelu', batch_first=True
        )
        self.decoder = nn.TransformerDecoder(layer, config.n_layers)
        half = width // 2
        self.motion_out = nn.Sequential(nn.Linear(width, half), nn.GELU(), nn.Linear(half, config.motion_dim))

    def forward(self, motion: Tensor, audio: Tensor, person: Tensor, flags: Tensor, t: int) -> Tensor:
        """(N, P + L, D), (N, P + L, C), (N, 1, shape + style), (N, P + L, 1) -> (N, P + L, D)."""
        step = self.step_map(self.table[t]).expand(len(motion), 1, -1)
        tokens = torch.cat(
            [self.person(person) + step, self.motion_in(torch.cat([motion, flags], dim=-1))], 1
        )
        hidden = self.decoder(tokens + self.position, audio, memory_mask=self.mask)
        out: Tensor = self.motion_out(hidden[:, 1:])
        return out


@torch.inference_mode()
def sample_ancestral(net: ReferenceDenoiser, schedule: ScheduleBuffers, steps: int) -> float:
    """Seconds that ``steps`` of the ancestral steps from T on take with random inputs, on the device where
    network and schedule are."""
    config, device = net.config, net.position.device
    past, length = config.n_prev_motions, config.n_motions

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, device=device)

    before = normal(1, past, config.motion_dim)
    audio = normal(3, past + length, config.feature_dim)
    person = normal(3, 1, config.shape_dim + config.style_dim)
    flags = torch.cat([torch.zeros(3, past, 1), torch.ones(3, length, 1)], dim=1).to(device)
    x = normal(1, length, config.motion_dim)
    buffers: Any = schedule
    finish(device)
    begin = time.perf_counter()
    for t in range(config.n_diff_steps, config.n_diff_steps - steps, -1):
        out = net(torch.cat([before, x], 1).expand(3, -1, -1), audio, person, flags, t)[:, past:]
        theta = out[:1] + 1.15 * (out[1:2] - out[:1]) + 3.0 * (out[2:] - out[1:2])
        alpha, bar, bar_prev = buffers.alphas[t], buffers.alpha_bars[t], buffers.alpha_bars[t - 1]
        c0 = (1 - bar_prev) * torch.sqrt(alpha) / (1 - bar)
        c1 = (1 - alpha) * torch.sqrt(bar_prev) / (1 - bar)
        z = torch.randn_like(x) if t > 1 else torch.zeros_like(x)
        x = c0 * x + c1 * theta + buffers.sigmas_inflex[t] * z
    finish(device)
    return time.perf_counter() - begin


def finish(device: torch.device) -> None:
    """Wait until the device has finished."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def reference_hubert(sizes: Mapping[str, Any]) -> Any:
    """HuBERT with random weights and, as in the reference, eager attention that keeps its maps; ``sizes``:
    what differs from the base model."""
    import transformers as untyped

    transformers: Any = untyped
    config = transformers.HubertConfig(**sizes, attn_implementation='eager')
    config.output_attentions = True
    return transformers.HubertModel(config).eval()
