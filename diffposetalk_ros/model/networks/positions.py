# SPDX-License-Identifier: Apache-2.0
"""Sinusoidal tables: one row per position or per diffusion step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ['frequencies', 'sinusoidal_table']


def frequencies(width: int) -> Tensor:
    """Radians per row of each pair of columns, (width + 1) // 2 of them, float32."""
    return torch.exp(torch.arange(0, width, 2).float() * (-math.log(10000.0) / width))


def sinusoidal_table(rows: int, width: int) -> Tensor:
    """Table (rows, width), float32: sine in even columns, cosine in odd ones (docs/method.md, 3 step 1)."""
    position = torch.arange(rows, dtype=torch.float32)[:, None]
    frequency = frequencies(width)
    table = torch.zeros(rows, width)
    table[:, 0::2] = torch.sin(position * frequency)
    table[:, 1::2] = torch.cos(position * frequency)[:, : width // 2]
    return table
