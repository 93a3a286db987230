# SPDX-License-Identifier: Apache-2.0
"""Solvers of the reverse process: ancestral sampling (DDPM), DDIM and DPM-Solver++(2M).

Each solver is linear in the state, the network's output, the previous prediction of x_0 and fresh noise.
It is therefore a table with one row of coefficients per step, and one loop runs them all. `sample` is
that loop for NumPy and torch; `model.onnx.sampler_graph` holds the same loop as an ONNX graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from diffposetalk_ros.diffusion.schedule import NoiseSchedule, Timesteps
from diffposetalk_ros.errors import ConfigError

__all__ = ['SOLVERS', 'Coefficients', 'Inpainting', 'sample', 'solver_coefficients']

SOLVERS = ('ddpm', 'ddim', 'dpmpp_2m')

Array = Any
Predict = Callable[[Array, int], Array]
"""(x_t, t) -> guided network output: x_0 for target 'sample', the noise for target 'noise'."""
StepNoise = Callable[[int], Array]
"""t -> standard normal noise for the step that starts at t."""


@dataclass(frozen=True)
class Inpainting:
    """Frames that are known already: every prediction of x_0 becomes x_0 + mask (target - x_0).

    ``target`` (N, L, D) holds their normalised motion, ``mask`` (N, L, 1) their weight from 0 to 1.
    """

    target: Array
    mask: Array


class Coefficients(NamedTuple):
    """One step of a solver from x_t, with ``out`` the guided output of the network at x_t:

    x_0    = clean_x x_t + clean_out out,  then inpainted
    x_prev = next_x x_t + next_clean x_0 + next_before x_0_of_the_step_before + next_noise z
    """

    clean_x: float
    clean_out: float
    next_x: float
    next_clean: float
    next_before: float
    next_noise: float


def solver_coefficients(
    solver: str,
    schedule: NoiseSchedule,
    timesteps: Timesteps,
    target: str = 'sample',
    flexibility: float = 0.0,
    inpainted: bool = False,
) -> list[Coefficients]:
    """Coefficients of every step of a solver.

    Args:
        solver: 'ddpm' (Ho et al. 2020, eq. 7 and 11), 'ddim' (Song et al. 2021, eq. 12 with sigma 0) or
            'dpmpp_2m' (Lu et al. 2022, algorithm 2, data prediction, first order in the first and last step).
        schedule: noise schedule.
        timesteps: (t, t_prev) of each step, from noise to data.
        target: what the network predicts: 'sample' (x_0) or 'noise'.
        flexibility: 0 to 1, from the smaller to the larger noise of an ancestral step.
        inpainted: whether frames will be inpainted. It decides the form of ancestral steps for target 'noise'.

    Raises ConfigError for an unknown solver or target.
    """
    if solver not in SOLVERS:
        raise ConfigError(f'solver {solver!r}; use {", ".join(SOLVERS)}')
    if target not in ('sample', 'noise'):
        raise ConfigError(f"target {target!r}; use 'sample' or 'noise'")
    rows = []
    h_before = 0.0
    for t, t_prev in timesteps:
        bar, bar_prev = schedule.alpha_bars[t], schedule.alpha_bars[t_prev]
        # x_t = sqrt(bar) x_0 + sqrt(1 - bar) noise, solved for x_0.
        clean_x, clean_out = (0.0, 1.0) if target == 'sample' else (1 / bar**0.5, -(((1 - bar) / bar) ** 0.5))
        before = noise = 0.0
        ratio = math.sqrt((1 - bar_prev) / (1 - bar))
        if solver == 'ddpm':
            alpha = schedule.transition(t, t_prev)
            noise = 0.0 if t_prev == 0 else schedule.sigma(t, t_prev, flexibility)
            if target == 'noise' and not inpainted:
                # Directly from the noise: through x_0 the first steps would divide by sqrt(bar) of 1e-4.
                clean_x, clean_out = 0.0, 1.0
                x, clean = 1 / math.sqrt(alpha), -(1 - alpha) / math.sqrt((1 - bar) * alpha)
            else:
                x = (1 - bar_prev) * math.sqrt(alpha) / (1 - bar)
                clean = (1 - alpha) * math.sqrt(bar_prev) / (1 - bar)
        elif solver == 'ddim':
            x, clean = ratio, math.sqrt(bar_prev) - ratio * math.sqrt(bar)
        elif bar_prev >= 1.0:
            x, clean = 0.0, 1.0
        else:
            h = _log_snr(bar_prev) - _log_snr(bar)
            reach = math.sqrt(bar_prev) * (-math.expm1(-h))
            extra = h / (2 * h_before) if h_before else 0.0
            x, clean, before, h_before = ratio, reach * (1 + extra), -reach * extra, h
        rows.append(Coefficients(clean_x, clean_out, x, clean, before, noise))
    return rows


def sample(
    predict: Predict,
    noise: Array,
    timesteps: Timesteps,
    coefficients: Sequence[Coefficients],
    step_noise: StepNoise | None = None,
    inpainting: Inpainting | None = None,
) -> Array:
    """Run a solver from x_T = ``noise`` (N, L, D) to x_0 of the same shape.

    Arrays need arithmetic with Python floats (NumPy, torch). All randomness is handed in: ``step_noise``
    is needed where a step has noise of its own. Raises ConfigError if it is missing.
    """
    if step_noise is None and any(row.next_noise for row in coefficients):
        raise ConfigError('the ddpm solver needs noise for its steps; give step_noise or use ddim')
    x = noise
    before = 0.0 * noise
    for (t, _), row in zip(timesteps, coefficients, strict=True):
        x_0 = row.clean_x * x + row.clean_out * predict(x, t)
        if inpainting is not None:
            x_0 = x_0 + inpainting.mask * (inpainting.target - x_0)
        x = row.next_x * x + row.next_clean * x_0 + row.next_before * before
        if step_noise is not None and row.next_noise:
            x = x + row.next_noise * step_noise(t)
        before = x_0
    return x


def _log_snr(bar: float) -> float:
    """Half the logarithm of the signal-to-noise ratio: lambda of DPM-Solver++."""
    return 0.5 * (math.log(bar) - math.log1p(-bar))
