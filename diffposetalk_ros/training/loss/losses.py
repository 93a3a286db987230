# SPDX-License-Identifier: Apache-2.0
"""Losses, truncation and condition dropout of the published training (docs/method.md, 9), as pure functions.

Random numbers are drawn by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from diffposetalk_ros.errors import ConfigError

__all__ = [
    'LossWeights',
    'condition_dropout',
    'denoiser_terms',
    'nt_xent',
    'truncate',
    'valid_frames',
    'weighted_terms',
]

Vertices = Callable[[Tensor], Tensor]
"""Normalised motion (N, F, D) -> vertices (N, F, V, 3) without head rotation, or a projection (N, F, r) with the
squared distances of the mesh."""


@dataclass(frozen=True)
class LossWeights:
    """Weights of the loss terms (docs/method.md, 9.3); that of x_0 is 1. Vertices are in metres.

    A term of weight 0 is not computed. ``criterion`` is 'l2' or 'l1'. Raises ConfigError for another one.
    """

    vert: float = 2e6
    vel: float = 1e7
    smooth: float = 1e5
    head_angle: float = 0.05
    head_vel: float = 5.0
    head_smooth: float = 0.5
    head_trans: float = 0.5
    criterion: str = 'l2'

    def __post_init__(self) -> None:
        if self.criterion not in ('l2', 'l1'):
            raise ConfigError(f"criterion is {self.criterion!r}; use 'l2' or 'l1'")


def valid_frames(end: Tensor | None, count: int, frames: int, device: torch.device) -> Tensor:
    """Bool (N, frames): True before each item's end (N), or everywhere if there is no end."""
    if end is None:
        return torch.ones(count, frames, dtype=torch.bool, device=device)
    return torch.arange(frames, device=device)[None] < end.to(device)[:, None]


def truncate(values: Tensor, end: Tensor, mode: str = 'zero') -> Tensor:
    """Replace the values of (N, T, ...) from each item's end (N, 1 to T) on.

    ``mode`` 'zero' fills with 0, 'replicate' with the last value that is kept. The end of audio is in
    samples. Raises ConfigError for another mode.
    """
    if mode not in ('zero', 'replicate'):
        raise ConfigError(f"pad_mode is {mode!r}; use 'zero' or 'replicate'")
    keep = valid_frames(end, values.shape[0], values.shape[1], values.device)
    keep = keep.view(*keep.shape, *([1] * (values.ndim - 2)))
    if mode == 'zero':
        return torch.where(keep, values, torch.zeros_like(values))
    last = values[torch.arange(values.shape[0], device=values.device), end.to(values.device) - 1]
    return torch.where(keep, values, last[:, None].expand_as(values))


def condition_dropout(
    conditions: Collection[str], mode: str, uniform: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    """Items whose (style, audio) is replaced by null: bool (N) each, or None for a condition without guidance.

    ``uniform`` (N, 2) holds draws from [0, 1). With both conditions and 'incremental', the first column
    decides: 0.55 keep all, 0.35 lose the style, 0.10 lose both. Otherwise style uses the first column and
    audio the second (docs/method.md, 9.2 step 7). Only the audio of the current window becomes null.
    """
    style, audio = 'style' in conditions, 'audio' in conditions
    if style and audio and mode == 'incremental':
        return uniform[:, 0] > 0.55, uniform[:, 0] > 0.9
    chance = 0.5 if style and audio else 0.1
    return (
        uniform[:, 0] < chance if style else None,
        uniform[:, 1] < chance if audio else None,
    )


def denoiser_terms(
    prediction: Tensor,
    clean: Tensor,
    noise: Tensor,
    weights: LossWeights,
    *,
    target: str = 'sample',
    previous: Tensor | None = None,
    end: Tensor | None = None,
    head: slice | None = None,
    vertices: Vertices | None = None,
    constrain_previous: bool = True,
    emphasis: Tensor | None = None,
) -> dict[str, Tensor]:
    """Unweighted loss terms of one half (docs/method.md, 9.3).

    Each term is the mean over the elements of all valid frames of the batch. A term without a valid frame
    is absent.

    Args:
        prediction: of the denoiser, (N, P + L, D).
        clean: x_0 (N, L, D), normalised.
        noise: (N, L, D).
        weights: terms of weight 0 are left out.
        target: 'sample' or 'noise'.
        previous: ground truth (N, P, D) before the second half, or None for the first half.
        end: first frame (N) that is not valid, or None.
        head: columns of the head rotation, or None.
        vertices: function from motion to vertices, or None for no geometric terms.
        constrain_previous: whether the predictions of the previous frames count.
        emphasis: factor (N, L) on the vertex errors of each frame, not in the paper; 1 for previous frames.

    Raises ConfigError for an unknown target.
    """
    frames = clean.shape[1]
    start = prediction.shape[1] - frames
    mask = valid_frames(end, clean.shape[0], frames, clean.device)
    if target == 'noise':
        return _means({'noise': (_distance(noise, prediction[:, start:], weights), mask)})
    if target != 'sample':
        raise ConfigError(f"target {target!r}; use 'sample' or 'noise'")
    if previous is None:
        truth, guess = clean, prediction[:, start:]
    else:
        truth, guess = torch.cat([previous, clean], dim=1), prediction
        if not constrain_previous:
            guess = torch.cat([previous, prediction[:, start:]], dim=1)
        mask = torch.cat([torch.full_like(mask[:, :1], constrain_previous).expand(-1, start), mask], dim=1)

    terms = {'noise': (_distance(truth, guess, weights), mask)}
    if vertices is not None and (weights.vert > 0 or weights.vel > 0):
        names = ('vert', 'vel', 'smooth')
        geometric = _trajectory(vertices(truth), vertices(guess), mask, weights, names)
        if emphasis is not None:
            before = truth.shape[1] - frames
            geometric = _emphasised(geometric, F.pad(emphasis, (before, 0), value=1.0))
        terms |= geometric
    if head is not None:
        names = ('head_angle', 'head_vel', 'head_smooth')
        terms |= _trajectory(truth[..., head], guess[..., head], mask, weights, names)
        if previous is not None and weights.head_trans > 0:
            seam = torch.cat([truth[:, start - 3 : start, head], guess[:, start : start + 3, head]], dim=1)
            velocity = seam.diff(dim=1)
            acceleration = velocity.diff(dim=1)
            speed = _distance(velocity[:, 2:4], velocity[:, 1:3], weights)
            change = _distance(acceleration[:, 1:], acceleration[:, :-1], weights)
            terms['head_trans'] = (speed, mask[:, start : start + 2])
            terms['head_trans_change'] = (change, mask[:, start : start + 3])
    means = _means(terms)
    if 'head_trans_change' in means:
        means['head_trans'] = means['head_trans'] + means.pop('head_trans_change')
    return means


def weighted_terms(halves: Collection[Mapping[str, Tensor]], weights: LossWeights) -> dict[str, Tensor]:
    """Weighted terms, averaged over the halves. 'head_trans', of the second half only, is not halved."""
    factors = {'noise': 1.0} | {k: v for k, v in asdict(weights).items() if k != 'criterion'}
    out: dict[str, Tensor] = {}
    for terms in halves:
        for name, value in terms.items():
            share = 1.0 if name == 'head_trans' else 1.0 / len(halves)
            part = value * (factors[name] * share)
            out[name] = out[name] + part if name in out else part
    return out


def nt_xent(first: Tensor, second: Tensor, temperature: float = 0.1) -> Tensor:
    """Normalised temperature-scaled cross-entropy of paired features (N, S) each (docs/method.md, 9.1)."""
    count = first.shape[0]
    features = F.normalize(torch.cat([first, second]), dim=1)
    logits = features @ features.T / temperature
    itself = torch.eye(2 * count, dtype=torch.bool, device=logits.device)
    partner = torch.arange(2 * count, device=logits.device).roll(count)
    return F.cross_entropy(logits.masked_fill(itself, -torch.inf), partner)


def _emphasised(
    terms: Mapping[str, tuple[Tensor, Tensor]], emphasis: Tensor
) -> dict[str, tuple[Tensor, Tensor]]:
    """Position and velocity errors times the emphasis of their (later) frame."""
    return {
        name: (error if name == 'smooth' else error * emphasis[:, -error.shape[1] :, None], mask)
        for name, (error, mask) in terms.items()
    }


def _distance(a: Tensor, b: Tensor, weights: LossWeights) -> Tensor:
    return (a - b).abs() if weights.criterion == 'l1' else (a - b) ** 2


def _trajectory(
    truth: Tensor, guess: Tensor, mask: Tensor, weights: LossWeights, names: tuple[str, str, str]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Position, velocity and smoothness terms along axis 1, without those of weight 0."""
    velocity = guess.diff(dim=1)
    position_name, velocity_name, smooth_name = names
    terms = {}
    if getattr(weights, position_name) > 0:
        terms[position_name] = (_distance(truth, guess, weights), mask)
    if getattr(weights, velocity_name) > 0:
        terms[velocity_name] = (_distance(truth.diff(dim=1), velocity, weights), mask[:, 1:])
    if getattr(weights, smooth_name) > 0:
        terms[smooth_name] = (_distance(velocity[:, 1:], velocity[:, :-1], weights), mask[:, 2:])
    return terms


def _means(terms: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    kept = {name: values[mask] for name, (values, mask) in terms.items()}
    return {name: values.mean() for name, values in kept.items() if values.numel()}
