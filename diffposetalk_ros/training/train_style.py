# SPDX-License-Identifier: Apache-2.0
"""Second stage: contrastive training of the style encoder (docs/method.md, 8.3, 9.1)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from diffposetalk_ros.model.config import StyleEncoderConfig
from diffposetalk_ros.model.networks.style_encoder import StyleEncoder
from diffposetalk_ros.training.data.batches import BatchSource
from diffposetalk_ros.training.loss.losses import nt_xent
from diffposetalk_ros.training.run import RunConfig, train

__all__ = ['HALF', 'halves', 'train_style']

HALF = 100
"""Frames in one half of a take."""


def halves(motion: Tensor) -> tuple[Tensor, Tensor]:
    """First and last 100 frames of (N, 210, D): two clips of one style, ten frames apart."""
    return motion[:, :HALF], motion[:, -HALF:]


def train_style(
    source: BatchSource, config: StyleEncoderConfig, motion_dim: int, out: Path, run: RunConfig
) -> StyleEncoder:
    """Train and return the encoder."""
    encoder = StyleEncoder(config, motion_dim)

    def loss(
        module: nn.Module, step: int, generator: torch.Generator, device: torch.device
    ) -> dict[str, Tensor]:
        motion = source.draw_motion(step, run.batch).to(device)
        # A user's clip may be as short as a second, so both halves are sometimes shortened together.
        length = (
            HALF
            if torch.rand((), generator=generator) < 0.6
            else int(torch.randint(25, HALF + 1, (), generator=generator))
        )
        first, second = halves(motion)
        return {'nt_xent': nt_xent(module(first[:, :length]), module(second[:, -length:]))}

    train('style', encoder, loss, out, run)
    return encoder
