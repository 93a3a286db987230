# SPDX-License-Identifier: Apache-2.0
"""Noise schedules: the numbers of the forward process, and the steps that a sampler visits (docs/method.md, 5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import ConfigError

__all__ = ['SPACINGS', 'NoiseSchedule', 'Timesteps', 'make_schedule', 'timesteps']

SPACINGS = ('even', 'quadratic')
"""How a sampler's steps can lie in the schedule; see `timesteps`."""

_F32 = NDArray[np.float32]
_BETA_FIRST, _BETA_LAST = 1e-4, 0.02

Timesteps = Sequence[tuple[int, int]]
"""(t, t_prev) of each step in the order of visits, from noise to data. The last t_prev is 0."""


def _rounded(values: NDArray[np.float64]) -> _F32:
    return values.astype(np.float32)


def _betas(name: str, steps: int) -> _F32:
    one = np.float32(1)
    if name == 'linear':
        return _rounded(np.linspace(_BETA_FIRST, _BETA_LAST, steps))
    if name == 'quadratic':
        root = _rounded(np.linspace(_BETA_FIRST**0.5, _BETA_LAST**0.5, steps))
        return root * root
    if name == 'sigmoid':
        u = np.linspace(-5, 5, steps)
        return _rounded((1 / (1 + np.exp(-u))) * (_BETA_LAST - _BETA_FIRST) + _BETA_FIRST)
    if name == 'cosine':
        # Each stage is rounded to float32, as the buffers of published checkpoints are.
        phase = (_rounded(np.arange(steps + 1) / steps) + np.float32(0.008)) / np.float32(1.008)
        phase = phase * np.float32(np.pi) * np.float32(0.5)
        root = _rounded(np.cos(phase.astype(np.float64)))
        bar = root * root
        bar = bar / bar[0]
        betas: _F32 = np.clip(one - bar[1:] / bar[:-1], np.float32(1e-4), np.float32(0.999))
        return betas
    raise ConfigError(f'diff_schedule is {name!r}; use linear, quadratic, sigmoid or cosine')


@dataclass(frozen=True)
class NoiseSchedule:
    """Numbers of T diffusion steps; index 0 is the clean state. All are Python floats.

    ``alpha_bars[t]`` is the share of signal power left after t steps; ``sigmas_flex`` and
    ``sigmas_inflex`` are the upper and lower choice of the ancestral sampler's noise.
    """

    betas: tuple[float, ...]
    alphas: tuple[float, ...]
    alpha_bars: tuple[float, ...]
    sigmas_flex: tuple[float, ...]
    sigmas_inflex: tuple[float, ...]

    @property
    def steps(self) -> int:
        """Number of diffusion steps T."""
        return len(self.betas) - 1

    def transition(self, t: int, t_prev: int) -> float:
        """Signal power that is left by the step from t_prev to t: alpha_t for neighbours."""
        return self.alphas[t] if t_prev == t - 1 else self.alpha_bars[t] / self.alpha_bars[t_prev]

    def sigma(self, t: int, t_prev: int, flexibility: float = 0.0) -> float:
        """Standard deviation of the noise of an ancestral step from t to t_prev.

        ``flexibility`` from 0 to 1 goes from the smaller to the larger choice of Ho et al. 2020, 3.2.
        """
        if t_prev == t - 1:
            flex, inflex = self.sigmas_flex[t], self.sigmas_inflex[t]
        else:
            beta = 1 - self.transition(t, t_prev)
            flex = beta**0.5
            inflex = ((1 - self.alpha_bars[t_prev]) / (1 - self.alpha_bars[t]) * beta) ** 0.5
        return flexibility * flex + (1 - flexibility) * inflex


def make_schedule(name: str, steps: int) -> NoiseSchedule:
    """Schedule 'linear', 'quadratic', 'sigmoid' or 'cosine' over ``steps`` (T) steps.

    It is computed stage by stage in float32, so that it agrees with the buffers of published checkpoints to
    the last bits. Raises ConfigError for another name or less than one step.
    """
    if steps < 1:
        raise ConfigError(f'n_diff_steps is {steps}; use 1 or more')
    betas = np.concatenate([np.zeros(1, np.float32), _betas(name, steps)])
    alphas = np.float32(1) - betas
    logs = np.cumsum(_rounded(np.log(alphas.astype(np.float64))), dtype=np.float32)
    bars = _rounded(np.exp(logs.astype(np.float64)))
    inflex = np.zeros_like(betas)
    inflex[1:] = np.sqrt((1 - bars[:-1]) / (1 - bars[1:]) * betas[1:])
    arrays = (betas, alphas, bars, np.sqrt(betas), inflex)
    return NoiseSchedule(*(tuple(float(v) for v in array) for array in arrays))


def timesteps(total: int, count: int, spacing: str = 'even') -> list[tuple[int, int]]:
    """``count`` pairs (t, t_prev) of the T = ``total`` steps, from T to 0.

    ``spacing`` is 'even' or 'quadratic' (t proportional to the square of the steps that are left; Song et al. 2021,
    appendix D.3). Quadratic steps are denser at little noise, where a few even steps leave the lips a little open.
    Raises ConfigError for another spacing or unless 1 <= count <= total.
    """
    if not 1 <= count <= total:
        raise ConfigError(f'{count} sampling steps; use 1 to {total}')
    if spacing not in SPACINGS:
        raise ConfigError(f'spacing {spacing!r} of the sampling steps; use {" or ".join(SPACINGS)}')
    left = range(count, -1, -1)
    if spacing == 'even':
        times = [round(total * n / count) for n in left]
    else:  # near 0, where squares would repeat, the times go down one by one
        times = [max(n, int(total * (n / count) ** 2 + 0.5)) for n in left]
    return list(zip(times[:-1], times[1:], strict=True))
