# SPDX-License-Identifier: Apache-2.0
"""Distillation of the embedded model: guidance into one pass, many steps into few.

The student begins as a copy of the teacher and takes the two guidance scales besides the style. From noisy
motion x_t, the teacher takes one or more guided DDIM steps. The student learns the prediction with which a
single DDIM step leads to the same result (guidance distillation: Meng et al. 2023; progressive distillation:
Salimans and Ho 2022, here with more than two steps in one).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import PartialState
from torch import Tensor

from diffposetalk_ros.diffusion.sampler import solver_coefficients
from diffposetalk_ros.diffusion.schedule import timesteps
from diffposetalk_ros.errors import ConfigError, ModelError
from diffposetalk_ros.model.guided import CODE_GAIN, MAX_SCALE
from diffposetalk_ros.model.loader import motion_statistics
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel
from diffposetalk_ros.model.store import load_model, save_model
from diffposetalk_ros.training.data.augment import AugmentConfig
from diffposetalk_ros.training.data.batches import BatchSource
from diffposetalk_ros.training.data.takes import TakeSet
from diffposetalk_ros.training.loss.losses import (
    LossWeights,
    Vertices,
    denoiser_terms,
    truncate,
    valid_frames,
)
from diffposetalk_ros.training.loss.window_loss import Window
from diffposetalk_ros.training.run import RunConfig
from diffposetalk_ros.training.train_audio import AudioTrainee
from diffposetalk_ros.training.train_denoiser import train_denoiser
from diffposetalk_ros.util.resources import STYLES

__all__ = ['DISTILLATION', 'DistillConfig', 'Distillation', 'guided_student', 'run_distillation']

DISTILLATION = RunConfig(steps=1500, batch=12, learning_rate=3e-4, ema=0.995)


@dataclass(frozen=True)
class DistillConfig:
    """Settings of a distillation.

    Args:
        steps: evaluations that the student will be sampled with; 0 for any number, which distils the
            guidance alone.
        substeps: DDIM steps of the teacher for each of them.
        scale_audio: largest audio scale. Scales are drawn from 1 up, and both are 1 in a quarter of the windows.
        scale_style: largest style scale.
        no_style: share of windows without a style.

    Raises ConfigError for a value out of range.
    """

    steps: int = 0
    substeps: int = 1
    scale_audio: float = 2.0
    scale_style: float = 2.0
    no_style: float = 0.15

    def __post_init__(self) -> None:
        for name in ('scale_audio', 'scale_style'):
            if not 1.0 <= getattr(self, name) <= MAX_SCALE:
                raise ConfigError(f'{name} {getattr(self, name):g}; use 1 to {MAX_SCALE:g}')
        if self.steps < 0 or self.substeps < 1:
            raise ConfigError(f'{self.steps} steps of {self.substeps} substeps; use 0 or more of 1 or more')
        if not self.steps and self.substeps > 1:
            raise ConfigError('substeps need the number of steps the student is for')


def guided_student(teacher: DiffPoseTalkModel) -> DiffPoseTalkModel:
    """A copy of the teacher that takes the scales as inputs but ignores them at first.

    Only its denoiser is trained. Raises ConfigError for a teacher that cannot be distilled.
    """
    config = teacher.config
    if config.scale_inputs or config.deterministic:
        raise ConfigError('this model is distilled, or a regressor; distil the one it came from')
    if config.target != 'sample' or config.cfg_mode != 'incremental' or config.logmel is None:
        raise ConfigError("only log-mel models of target 'sample' and incremental guidance can be distilled")
    student = DiffPoseTalkModel(replace(config, scale_inputs=True))
    state = teacher.state_dict()
    name = 'denoising_net.person_proj.weight'
    blind = torch.zeros(state[name].shape[0], student.config.scale_dim)
    student.load_state_dict(state | {name: torch.cat([state[name], blind], dim=1)})
    student.requires_grad_(False)
    student.denoising_net.requires_grad_(True)
    return student


class Distillation:
    """Loss terms of one window, used instead of `window_terms`."""

    def __init__(self, teacher: DiffPoseTalkModel, config: DistillConfig) -> None:
        self._teacher = teacher.eval().requires_grad_(False)
        self._schedule = teacher.diffusion_sched.schedule()
        self._config = config

    def __call__(
        self,
        student: DiffPoseTalkModel,
        window: Window,
        weights: LossWeights,
        rng: torch.Generator,
        vertices: Vertices | None = None,
    ) -> dict[str, Tensor]:
        """Unweighted loss terms. All random numbers come from ``rng``."""
        motion, device = window.motion, window.motion.device
        if window.end is not None:
            motion = truncate(motion, window.end, student.config.pad_mode)
        count, frames = motion.shape[:2]
        self._teacher.to(device)
        start, stop = (t.to(device) for t in self._span(count, rng))
        noise = torch.randn(motion.shape, generator=rng).to(device)
        noisy = student.diffusion_sched.add_noise(motion, noise, start)
        styled = torch.rand(count, generator=rng) >= self._config.no_style
        scales = self._scales(styled, rng).to(device)
        style = window.style
        if style is not None:
            style = torch.where(styled[:, None].to(device), style, student.null_style(count))
        previous = window.previous or (
            student.start_motion_feat.expand(count, -1, -1),
            student.start_audio_feat.expand(count, -1, -1),
        )
        indicator = None
        if student.config.use_indicator:
            indicator = valid_frames(window.end, count, frames, device).to(motion.dtype)
        given = _Given(window.audio, style, window.shape, previous, indicator, scales)
        with torch.no_grad():
            target = self._target(given, noisy, start, stop)
        person = student.person_feature(window.shape, style, CODE_GAIN * (scales - 1.0))
        guess = student.denoising_net(noisy, window.audio, person, *previous, start, indicator)
        return denoiser_terms(
            guess,
            target,
            noise,
            weights,
            end=window.end,
            head=student.config.layout.head_rotation,
            vertices=vertices,
            emphasis=window.emphasis,
        )

    def _span(self, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Start and end (N) of each item's step of the student."""
        total = self._teacher.config.n_diff_steps
        if not self._config.steps:
            start = torch.randint(1, total + 1, (count,), generator=rng)
            return start, torch.zeros_like(start)
        pairs = torch.tensor(timesteps(total, self._config.steps))
        chosen = pairs[torch.randint(len(pairs), (count,), generator=rng)]
        return chosen[:, 0], chosen[:, 1]

    def _scales(self, styled: Tensor, rng: torch.Generator) -> Tensor:
        """(N, 2): scale of the audio, scale of the style."""
        config = self._config
        width = torch.tensor([config.scale_audio, config.scale_style]) - 1.0
        scales = 1.0 + width * torch.rand((len(styled), 2), generator=rng)
        scales[torch.rand(len(styled), generator=rng) < 0.25] = 1.0
        scales[~styled, 1] = 1.0
        return scales

    def _target(self, given: _Given, noisy: Tensor, start: Tensor, stop: Tensor) -> Tensor:
        """The x_0 with which one DDIM step from ``start`` gives the result of the teacher's substeps."""
        count = self._config.substeps
        x, clean = noisy, noisy
        times = [(start + (stop - start) * k / count).round().long() for k in range(count + 1)]
        for now, following in zip(times[:-1], times[1:], strict=True):
            clean = given.guided(self._teacher, x, now)
            if count > 1:
                ratio, share = self._ddim(now, following)
                x = ratio * x + share * clean
        if count == 1:
            return clean
        ratio, share = self._ddim(start, stop)
        return (x - ratio * noisy) / share

    def _ddim(self, now: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients of x_t and x_0 in a DDIM step of each item, (N, 1, 1) each."""
        steps = list(zip(now.tolist(), following.tolist(), strict=True))
        rows = torch.tensor(solver_coefficients('ddim', self._schedule, steps), device=now.device)
        return rows[:, 2].view(-1, 1, 1), rows[:, 3].view(-1, 1, 1)


@dataclass(frozen=True)
class _Given:
    """Conditions of N windows; ``scales`` (N, 2)."""

    audio: Tensor
    style: Tensor | None
    shape: Tensor | None
    previous: tuple[Tensor, Tensor]
    indicator: Tensor | None
    scales: Tensor

    def guided(self, teacher: DiffPoseTalkModel, x: Tensor, step: Tensor) -> Tensor:
        """x0 (N, L, D) by incremental guidance: r0 + w_a (r_a - r0) + w_s (r_s - r_a)."""
        count, frames = x.shape[:2]
        nothing = teacher.null_audio(count, frames)
        unstyled = None if self.style is None else teacher.null_style(count)
        persons = [teacher.person_feature(self.shape, style) for style in (unstyled, unstyled, self.style)]
        present = [person for person in persons if person is not None]
        out = teacher.denoising_net(
            x.repeat(3, 1, 1),
            torch.cat([nothing, self.audio, self.audio]),
            torch.cat(present) if present else None,
            *(value.repeat(3, 1, 1) for value in self.previous),
            step.repeat(3),
            None if self.indicator is None else self.indicator.repeat(3, 1),
        )[:, -frames:]
        none, with_audio, with_style = out.chunk(3)
        by_audio, by_style = self.scales[:, :1, None], self.scales[:, 1:, None]
        mixed: Tensor = none + by_audio * (with_audio - none) + by_style * (with_style - with_audio)
        return mixed


def run_distillation(
    model: Path, takes: Path, work: Path, out: Path, run: RunConfig, config: DistillConfig
) -> None:
    """Model folder and takes of a training's work folder -> distilled model folder ``out``.

    Continues from `work/distilled.ckpt`. Raises ConfigError if the model cannot be distilled or there are
    no takes.
    """
    torch.manual_seed(run.seed)
    stored = load_model(model)
    teacher, style = stored.model, stored.style_encoder
    student = guided_student(teacher)
    if style is None or teacher.config.logmel is None:
        raise ModelError(f'{model} has no style encoder, which is needed to find the styles of the takes')
    mean, std = (torch.from_numpy(values) for values in motion_statistics(model, teacher.config.motion_dim))
    source = BatchSource(TakeSet.load(takes), mean, std, seed=run.seed, augmentation=AugmentConfig())
    audio = AudioTrainee(teacher.config.logmel)
    audio.encoder.load_state_dict(teacher.audio_encoder.state_dict())
    train_denoiser(
        source, student, audio, style, std, work, run, name='distilled', terms=Distillation(teacher, config)
    )
    if PartialState().is_main_process:
        save_model(out, student, (mean.double().numpy(), std.double().numpy()), style)
        if (model / STYLES).is_file():
            shutil.copy(model / STYLES, out / STYLES)
