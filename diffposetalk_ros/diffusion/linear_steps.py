# SPDX-License-Identifier: Apache-2.0
"""The samplers as a table of numbers, so that one graph can run any of them in a loop.

Every solver of `samplers` is linear in the state, the network's output, the prediction before and
fresh noise. With ``out`` the guided output at x_t, a step is

    clean = clean_x x + clean_out out
    clean = clean + weight (known - clean)         where frames are pulled towards known ones
    x     = next_x x + next_clean clean + next_before before + next_noise z
    before = clean
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.diffusion.schedule import NoiseSchedule, StepPairs
from diffposetalk_ros.errors import ConfigError

__all__ = ['COLUMNS', 'linear_steps']

COLUMNS = ('clean_x', 'clean_out', 'next_x', 'next_clean', 'next_before', 'next_noise')


def linear_steps(
    solver: str,
    schedule: NoiseSchedule,
    pairs: StepPairs,
    target: str = 'sample',
    flexibility: float = 0.0,
    known: bool = False,
) -> NDArray[np.float32]:
    """Coefficients (steps, 6), columns as in `COLUMNS`, equal to `samplers.sample` up to rounding.

    ``known``: whether frames will be pulled, which decides the form of ancestral steps for target
    'noise'. Raises ConfigError for an unknown solver or target.
    """
    if solver not in ('ddpm', 'ddim', 'dpmpp_2m'):
        raise ConfigError(f'solver {solver!r}; use ddpm, ddim or dpmpp_2m')
    if target not in ('sample', 'noise'):
        raise ConfigError(f"target {target!r}; use 'sample' or 'noise'")
    rows = []
    h_before = 0.0
    for t, t_prev in pairs:
        bar, bar_prev = schedule.alpha_bars[t], schedule.alpha_bars[t_prev]
        # x0 from the network's output: x_t = sqrt(bar) x0 + sqrt(1 - bar) noise.
        clean_x, clean_out = (0.0, 1.0) if target == 'sample' else (1 / bar**0.5, -(((1 - bar) / bar) ** 0.5))
        before = noise = 0.0
        ratio = math.sqrt((1 - bar_prev) / (1 - bar))
        if solver == 'ddpm':
            alpha = schedule.transition(t, t_prev)
            noise = 0.0 if t_prev == 0 else schedule.sigma(t, t_prev, flexibility)
            if target == 'noise' and not known:
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
        rows.append((clean_x, clean_out, x, clean, before, noise))
    return np.asarray(rows, np.float32)


def _log_snr(bar: float) -> float:
    return 0.5 * (math.log(bar) - math.log1p(-bar))
