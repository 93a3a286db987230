# SPDX-License-Identifier: Apache-2.0
"""Loss of one training window: add noise, drop conditions, predict, compare (docs/method.md, 9.2, 9.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel
from diffposetalk_ros.training.loss.losses import (
    LossWeights,
    Vertices,
    condition_dropout,
    denoiser_terms,
    truncate,
    valid_frames,
)

__all__ = ['Window', 'WindowTerms', 'draw_end', 'window_terms']


@dataclass(frozen=True)
class Window:
    """A batch of N training windows of L frames.

    Args:
        motion: (N, L, D), normalised.
        audio: features (N, L, C).
        style: (N, S), if the model takes one.
        shape: (N, shape_dim), if the model takes one.
        previous: motion (N, P, D) and audio features (N, P, C), or None at the start of a clip.
        end: first frame (N) that was cut away, or None for a whole window.
        emphasis: factor (N, L) on the vertex errors of each frame.
    """

    motion: Tensor
    audio: Tensor
    style: Tensor | None = None
    shape: Tensor | None = None
    previous: tuple[Tensor, Tensor] | None = None
    end: Tensor | None = None
    emphasis: Tensor | None = None


WindowTerms = Callable[
    [DiffPoseTalkModel, Window, LossWeights, torch.Generator, Vertices | None], dict[str, Tensor]
]
"""(model, window, weights, generator, vertices) -> unweighted loss terms."""


def draw_end(chance: float, count: int, frames: int, rng: torch.Generator) -> Tensor | None:
    """Truncation (docs/method.md, 9.2 step 3): None, or the end (N) of each item, 1 to frames - 1.

    ``chance`` is drawn once for the batch.
    """
    if torch.rand((), generator=rng) >= chance:
        return None
    return torch.randint(1, frames, (count,), generator=rng)


def _conditions(
    model: DiffPoseTalkModel, window: Window, rng: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Audio and style after condition dropout."""
    audio, style, config = window.audio, window.style, model.config
    chance = torch.rand((len(audio), 2), generator=rng)
    no_style, no_audio = condition_dropout(config.guiding_conditions, config.cfg_mode, chance)
    if no_style is not None and style is not None:
        style = torch.where(no_style[:, None].to(style.device), model.null_style(len(style)), style)
    if no_audio is not None:
        null = model.null_audio(len(audio), audio.shape[1])
        audio = torch.where(no_audio[:, None, None].to(audio.device), null, audio)
    return audio, style


def window_terms(
    model: DiffPoseTalkModel,
    window: Window,
    weights: LossWeights,
    rng: torch.Generator,
    vertices: Vertices | None = None,
    constrain_previous: bool = True,
) -> dict[str, Tensor]:
    """Unweighted loss terms of a window. All random numbers come from ``rng``.

    A model marked ``deterministic`` is a regressor: it gets no noise, the last step and every condition,
    and learns to predict the mean motion.
    """
    config, motion = model.config, window.motion
    count, frames = motion.shape[:2]
    device = motion.device
    if window.end is not None:
        motion = truncate(motion, window.end, config.pad_mode)
    noise = torch.randn(motion.shape, generator=rng).to(device)
    step = torch.randint(1, config.n_diff_steps + 1, (count,), generator=rng).to(device)
    if config.deterministic:
        audio, style = window.audio, window.style
        step = torch.full_like(step, config.n_diff_steps)
        noisy = torch.zeros_like(motion)
    else:
        audio, style = _conditions(model, window, rng)
        noisy = model.diffusion_sched.add_noise(motion, noise, step)
    if window.previous is None:
        previous = (
            model.start_motion_feat.expand(count, -1, -1),
            model.start_audio_feat.expand(count, -1, -1),
        )
    else:
        previous = window.previous
    indicator = None
    if config.use_indicator:
        indicator = valid_frames(window.end, count, frames, device).to(motion.dtype)
    predicted = model.denoising_net(
        noisy, audio, model.person_feature(window.shape, style), *previous, step, indicator
    )
    return denoiser_terms(
        predicted,
        motion,
        noise,
        weights,
        target=config.target,
        previous=None if window.previous is None else window.previous[0],
        end=window.end,
        head=config.layout.head_rotation,
        vertices=vertices,
        constrain_previous=constrain_previous,
        emphasis=window.emphasis,
    )
