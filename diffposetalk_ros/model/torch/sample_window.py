# SPDX-License-Identifier: Apache-2.0
"""The core of the method: how DiffPoseTalk denoises one window (docs/method.md, 3 and 5).

This is the executable reference. It evaluates every branch of guidance at every step and skips nothing.
The back ends compute the same numbers faster and are tested against it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from diffposetalk_ros.diffusion.guidance import dynamic_threshold
from diffposetalk_ros.diffusion.sampler import solver_coefficients
from diffposetalk_ros.diffusion.schedule import timesteps
from diffposetalk_ros.model.backend import FloatArray, SamplingConfig, WindowRequest
from diffposetalk_ros.model.guided import branches_for, scale_code
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel

__all__ = ['sample_window']


@torch.inference_mode()
def sample_window(model: DiffPoseTalkModel, window: WindowRequest, sampling: SamplingConfig) -> Tensor:
    """Denoise a batch of windows on the CPU, in float32: normalised x_0 (N, L, D)."""
    config, schedule = model.config, model.diffusion_sched.schedule()
    count, frames = window.noise.shape[:2]
    audio, shape, indicator = _tensor(window.audio), _tensor(window.shape), _tensor(window.indicator)
    null_style = model.null_style(count) if hasattr(model, 'null_style_feat') else None
    style = null_style if window.style is None else _tensor(window.style)
    past_motion = _tensor(window.previous_motion, model.start_motion_feat.expand(count, -1, -1))
    past_audio = _tensor(window.previous_audio, model.start_audio_feat.expand(count, -1, -1))
    code = scale_code(config, window.style is not None, sampling)  # of distilled models
    scales = None if code is None else torch.tensor(code).expand(count, -1)

    steps = timesteps(schedule.steps, sampling.steps, sampling.spacing)
    inpainted = window.inpainting is not None
    coefficients = solver_coefficients(
        sampling.solver, schedule, steps, config.target, sampling.flexibility, inpainted
    )
    x: Tensor = _tensor(window.noise)
    before = torch.zeros_like(x)
    for (t, _), c in zip(steps, coefficients, strict=True):
        out = torch.zeros_like(x)
        for branch in branches_for(config, window.style is not None, sampling):
            person = model.person_feature(shape, style if branch.style else null_style, scales)
            hearing = audio if branch.audio else model.null_audio(count, frames)
            step = torch.full((count,), t)
            raw = model.denoising_net(x, hearing, person, past_motion, past_audio, step, indicator)[
                :, -frames:
            ]
            if sampling.threshold is not None:
                raw = dynamic_threshold(raw, *sampling.threshold)
            out = out + branch.weight * raw
        x_0 = c.clean_x * x + c.clean_out * out
        if window.inpainting is not None:
            x_0 = x_0 + _tensor(window.inpainting.mask) * (_tensor(window.inpainting.target) - x_0)
        x = c.next_x * x + c.next_clean * x_0 + c.next_before * before
        if c.next_noise and window.step_noise is not None:
            x = x + c.next_noise * _tensor(window.step_noise(t))
        before = x_0
    return x


def _tensor(array: FloatArray | None, default: Tensor | None = None) -> Any:
    return default if array is None else torch.tensor(array, dtype=torch.float32)
