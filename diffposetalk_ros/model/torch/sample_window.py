# SPDX-License-Identifier: Apache-2.0
"""The method on one screen: how DiffPoseTalk denoises one window (docs/method.md, 3 and 5).

This is the executable reference. It evaluates every branch of guidance and every step on its own and saves
nothing; the back ends compute the same numbers faster and are tested against it.
"""

from __future__ import annotations

import torch

from diffposetalk_ros.diffusion.guidance import dynamic_threshold
from diffposetalk_ros.diffusion.sampler import solver_coefficients
from diffposetalk_ros.diffusion.schedule import timesteps
from diffposetalk_ros.model.backend import SamplingConfig, WindowRequest
from diffposetalk_ros.model.guided import branches_for, scale_code
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel

__all__ = ['sample_window']


@torch.inference_mode()
def sample_window(model: DiffPoseTalkModel, window: WindowRequest, sampling: SamplingConfig) -> torch.Tensor:
    """Denoise a batch of windows on the CPU, in float32 -> normalised x_0 (N, L, D)."""
    config, (count, frames) = model.config, window.noise.shape[:2]
    schedule = model.diffusion_sched.schedule()
    x, audio = torch.tensor(window.noise), torch.tensor(window.audio)
    style, shape = (None if v is None else torch.tensor(v) for v in (window.style, window.shape))
    indicator = None if window.indicator is None else torch.tensor(window.indicator)
    if style is None and config.style_dim:
        style = model.null_style(count)
    past_motion, past_audio = model.start_motion_feat, model.start_audio_feat
    if window.previous_motion is not None and window.previous_audio is not None:
        past_motion, past_audio = torch.tensor(window.previous_motion), torch.tensor(window.previous_audio)
    past_motion, past_audio = past_motion.expand(count, -1, -1), past_audio.expand(count, -1, -1)
    code = scale_code(config, window.style is not None, sampling)
    scales = None if code is None else torch.tensor(code).expand(count, -1)

    inpainting = window.inpainting
    steps = timesteps(schedule.steps, sampling.steps)
    rows = solver_coefficients(
        sampling.solver, schedule, steps, config.target, sampling.flexibility, inpainting is not None
    )
    branches = branches_for(config, window.style is not None, sampling)
    before = torch.zeros_like(x)
    for (t, _), c in zip(steps, rows, strict=True):
        out = torch.zeros_like(x)
        for branch in branches:  # classifier-free guidance
            heard = audio if branch.audio else model.null_audio(count, frames)
            wanted = style if branch.style or style is None else model.null_style(count)
            person = model.person_feature(shape, wanted, scales)
            step = torch.full((count,), t)
            raw = model.denoising_net(x, heard, person, past_motion, past_audio, step, indicator)[:, -frames:]
            if sampling.threshold is not None:
                raw = dynamic_threshold(raw, *sampling.threshold)
            out = out + branch.weight * raw
        x_0 = c.clean_x * x + c.clean_out * out
        if inpainting is not None:
            x_0 = x_0 + torch.tensor(inpainting.mask) * (torch.tensor(inpainting.target) - x_0)
        x = c.next_x * x + c.next_clean * x_0 + c.next_before * before
        if c.next_noise and window.step_noise is not None:
            x = x + c.next_noise * torch.tensor(window.step_noise(t))
        before = x_0
    return x
