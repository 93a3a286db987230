# SPDX-License-Identifier: Apache-2.0
"""Second stage: the style encoder, by contrast between clips (SPEC 8.3, 9.1)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from diffposetalk_ros.model.config import StyleEncoderConfig
from diffposetalk_ros.model.style_encoder import StyleEncoder
from diffposetalk_ros.training.batches import BatchSource
from diffposetalk_ros.training.run import RunConfig, train

__all__ = ['HALF', 'halves', 'nt_xent', 'train_style']

HALF = 100
"""Frames in one half of a take."""
_TEMPERATURE = 0.1


def halves(motion: Tensor) -> tuple[Tensor, Tensor]:
    """First and last 100 frames of (N, 210, D): the two clips of one style, ten frames apart."""
    return motion[:, :HALF], motion[:, -HALF:]


def nt_xent(first: Tensor, second: Tensor, temperature: float = _TEMPERATURE) -> Tensor:
    """NT-Xent loss (Chen et al. 2020) of two views (N, S): each of the 2 N anchors must find its
    partner among the 2 N - 1 others by cosine similarity."""
    both = functional.normalize(torch.cat([first, second]), dim=-1)
    similarity = both @ both.T / temperature
    similarity = similarity.masked_fill(
        torch.eye(len(both), dtype=torch.bool, device=both.device), -torch.inf
    )
    partner = torch.arange(len(both), device=both.device).roll(len(first))
    return functional.cross_entropy(similarity, partner)


def train_style(
    source: BatchSource, config: StyleEncoderConfig, motion_dim: int, out: Path, run: RunConfig
) -> StyleEncoder:
    """Train and return the encoder."""
    encoder = StyleEncoder(config, motion_dim)

    def loss(
        module: nn.Module, step: int, generator: torch.Generator, device: torch.device
    ) -> dict[str, Tensor]:
        motion = source.draw_motion(step, run.batch).to(device)
        # A user's clip may be as short as a second: halves are cut short together, now and then.
        length = (
            HALF
            if torch.rand((), generator=generator) < 0.6
            else int(torch.randint(25, HALF + 1, (), generator=generator))
        )
        first, second = halves(motion)
        return {'nt_xent': nt_xent(module(first[:, :length]), module(second[:, -length:]))}

    train('style', encoder, loss, out, run)
    return encoder
