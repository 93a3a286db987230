# SPDX-License-Identifier: Apache-2.0
"""A training run of a few steps."""

from __future__ import annotations

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('accelerate')
pytest.importorskip('tensorboard')

from torch import Tensor, nn  # noqa: E402

from diffposetalk_ros.training.run import RunConfig  # noqa: E402

CONFIG = RunConfig(steps=8, batch=4, save_every=3, warm_up=2, ema=0.9)


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.2), nn.Linear(8, 1))


def loss(module: nn.Module, number: int, rng: torch.Generator, device: torch.device) -> dict[str, Tensor]:
    x = torch.randn(4, 3, generator=rng).to(device)
    return {'fit': ((module(x)[:, 0] - x.sum(1)) ** 2).mean()}
