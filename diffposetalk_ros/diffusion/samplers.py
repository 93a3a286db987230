# SPDX-License-Identifier: Apache-2.0
"""Samplers over any subset of steps: ancestral (the reference's), DDIM and DPM-Solver++(2M).

Pure functions on arrays that support arithmetic with Python floats (NumPy, torch); all randomness is
handed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diffposetalk_ros.diffusion.schedule import NoiseSchedule, StepPairs
from diffposetalk_ros.errors import ConfigError

__all__ = ['Known', 'clean_prediction', 'sample', 'sample_ddim', 'sample_ddpm', 'sample_dpmpp_2m']

Array = Any
Predict = Callable[[Array, int], Array]
"""(x_t, t) -> the network's guided output: x0 for target 'sample', the noise for 'noise'."""
StepNoise = Callable[[int], Array]
"""t -> standard normal noise for the step that starts at t."""


@dataclass(frozen=True)
class Known:
    """Frames generated before: every x0 prediction becomes x0 + weight (value - x0)."""

    value: Array
    weight: Array


def clean_prediction(
    schedule: NoiseSchedule, x: Array, t: int, output: Array, target: str, known: Known | None = None
) -> Array:
    """x0 from the network's output at x_t, pulled towards ``known`` where given."""
    if target == 'sample':
        clean = output
    elif target == 'noise':
        bar = schedule.alpha_bars[t]
        clean = (x - math.sqrt(1 - bar) * output) * (1 / math.sqrt(bar))
    else:
        raise ConfigError(f"target {target!r}; use 'sample' or 'noise'")
    return clean if known is None else clean + known.weight * (known.value - clean)


def sample_ddpm(
    predict: Predict,
    noise: Array,
    schedule: NoiseSchedule,
    pairs: StepPairs,
    step_noise: StepNoise,
    target: str = 'sample',
    known: Known | None = None,
    flexibility: float = 0.0,
) -> Array:
    """Ancestral sampling from x_T = ``noise`` (SPEC 5.2 step 9). No noise enters the last step."""
    x = noise
    for t, t_prev in pairs:
        output = predict(x, t)
        alpha, bar = schedule.transition(t, t_prev), schedule.alpha_bars[t]
        bar_prev = schedule.alpha_bars[t_prev]
        if target == 'noise' and known is None:
            # The direct form: through x0 the first steps would divide by sqrt(alpha_bar) of 1e-4.
            mean = (x - ((1 - alpha) / math.sqrt(1 - bar)) * output) * (1 / math.sqrt(alpha))
        else:
            clean = clean_prediction(schedule, x, t, output, target, known)
            from_x = (1 - bar_prev) * math.sqrt(alpha) / (1 - bar)
            from_clean = (1 - alpha) * math.sqrt(bar_prev) / (1 - bar)
            mean = from_x * x + from_clean * clean
        x = mean if t_prev == 0 else mean + schedule.sigma(t, t_prev, flexibility) * step_noise(t)
    return x


def sample_ddim(
    predict: Predict,
    noise: Array,
    schedule: NoiseSchedule,
    pairs: StepPairs,
    target: str = 'sample',
    known: Known | None = None,
) -> Array:
    """Deterministic DDIM (Song et al. 2021, eq. 12 with sigma 0)."""
    x = noise
    for t, t_prev in pairs:
        clean = clean_prediction(schedule, x, t, predict(x, t), target, known)
        bar, bar_prev = schedule.alpha_bars[t], schedule.alpha_bars[t_prev]
        ratio = math.sqrt((1 - bar_prev) / (1 - bar))
        x = ratio * x + (math.sqrt(bar_prev) - ratio * math.sqrt(bar)) * clean
    return x


def sample_dpmpp_2m(
    predict: Predict,
    noise: Array,
    schedule: NoiseSchedule,
    pairs: StepPairs,
    target: str = 'sample',
    known: Known | None = None,
) -> Array:
    """DPM-Solver++(2M), data prediction (Lu et al. 2022, algorithm 2); first order at both ends."""
    x, before, h_before = noise, None, 0.0
    for t, t_prev in pairs:
        clean = clean_prediction(schedule, x, t, predict(x, t), target, known)
        bar, bar_prev = schedule.alpha_bars[t], schedule.alpha_bars[t_prev]
        if bar_prev >= 1.0:
            return clean
        h = _log_snr(bar_prev) - _log_snr(bar)
        direction = clean
        if before is not None:
            extra = h / (2 * h_before)
            direction = (1 + extra) * clean - extra * before
        ratio = math.sqrt((1 - bar_prev) / (1 - bar))
        x = ratio * x + math.sqrt(bar_prev) * (-math.expm1(-h)) * direction
        before, h_before = clean, h
    return x


def sample(
    solver: str,
    predict: Predict,
    noise: Array,
    schedule: NoiseSchedule,
    pairs: StepPairs,
    step_noise: StepNoise | None = None,
    target: str = 'sample',
    known: Known | None = None,
    flexibility: float = 0.0,
) -> Array:
    """Run 'ddpm', 'ddim' or 'dpmpp_2m' by name; 'ddpm' needs ``step_noise``. Raises ConfigError."""
    if solver == 'ddim':
        return sample_ddim(predict, noise, schedule, pairs, target, known)
    if solver == 'dpmpp_2m':
        return sample_dpmpp_2m(predict, noise, schedule, pairs, target, known)
    if solver != 'ddpm':
        raise ConfigError(f'solver {solver!r}; use ddpm, ddim or dpmpp_2m')
    if step_noise is None:
        raise ConfigError('the ddpm solver needs per-step noise; give step_noise or use ddim')
    return sample_ddpm(predict, noise, schedule, pairs, step_noise, target, known, flexibility)


def _log_snr(bar: float) -> float:
    return 0.5 * (math.log(bar) - math.log1p(-bar))
