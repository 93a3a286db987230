# SPDX-License-Identifier: Apache-2.0
"""Classifier-free guidance: which branches to evaluate and how to mix them (docs/method.md, 5.2).

All functions take NumPy arrays and torch tensors.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffposetalk_ros.errors import ConfigError

__all__ = ['GUIDANCE', 'Branch', 'dynamic_threshold', 'guidance_branches', 'mix']

GUIDANCE = ('incremental', 'independent', 'independent_textbook')

Array = Any


@dataclass(frozen=True)
class Branch:
    """One evaluation of the network: which conditions are real rather than null, and its weight."""

    audio: bool
    style: bool
    weight: float


def guidance_branches(
    conditions: Collection[str], mode: str, scale_audio: float, scale_style: float
) -> tuple[Branch, ...]:
    """Branches whose weighted sum is the guided prediction. Branches of weight 0 are left out.

    ``conditions`` names those of 'audio' and 'style' to guide by; any other condition is real in every
    branch. With r0, r_a, r_s and r_as the predictions without condition, with audio, with style and with
    both, and the scales w_a and w_s:

    * 'incremental': r0 + w_a (r_a - r0) + w_s (r_as - r_a)
    * 'independent': θ + w_s (r_s - θ) with θ = r0 + w_a (r_a - r0), as the official code computes it
    * 'independent_textbook': r0 + w_a (r_a - r0) + w_s (r_s - r0)

    Raises ConfigError for another mode.
    """
    if mode not in GUIDANCE:
        raise ConfigError(f'guidance mode {mode!r}; use {", ".join(GUIDANCE)}')
    has_audio, has_style = 'audio' in conditions, 'style' in conditions
    base = (not has_audio, not has_style)
    if not has_audio and not has_style:
        return (Branch(True, True, 1.0),)
    if not has_style:
        weighted = [(base, 1 - scale_audio), ((True, True), scale_audio)]
    elif not has_audio:
        weighted = [(base, 1 - scale_style), ((True, True), scale_style)]
    elif mode == 'incremental':
        weighted = [
            (base, 1 - scale_audio),
            ((True, False), scale_audio - scale_style),
            ((True, True), scale_style),
        ]
    else:
        rest = 1 - scale_style
        first = rest * (1 - scale_audio) if mode == 'independent' else rest - scale_audio
        second = rest * scale_audio if mode == 'independent' else scale_audio
        weighted = [(base, first), ((True, False), second), ((False, True), scale_style)]
    return tuple(Branch(audio, style, weight) for (audio, style), weight in weighted if weight != 0)


def mix(stacked: Array, weights: Sequence[float]) -> Array:
    """Weighted sum over the branches of (branches * N, ...) in branch-major order -> (N, ...)."""
    count = stacked.shape[0] // len(weights)
    total = stacked[:count] * weights[0]
    for i, weight in enumerate(weights[1:], start=1):
        total = total + stacked[i * count : (i + 1) * count] * weight
    return total


def dynamic_threshold(prediction: Array, quantile: float, lowest: float, highest: float) -> Array:
    """Clamp each row of (B, L, D) to [-s, s], where s is the ``quantile`` of its magnitudes.

    s is clamped to [lowest, highest]. This is applied per branch, before guidance, and the result is not
    rescaled (docs/method.md, 5.2 step 7).
    """
    magnitude = abs(prediction).reshape(prediction.shape[0], -1)
    if isinstance(magnitude, np.ndarray):
        bound: Array = np.quantile(magnitude, quantile, axis=1).astype(magnitude.dtype)
    else:
        bound = magnitude.quantile(quantile, dim=1)
    bound = bound.clip(lowest, highest).reshape(-1, 1, 1)
    return prediction.clip(-bound, bound)
