# SPDX-License-Identifier: Apache-2.0
"""Augmentation of mel power, so that a model trained on synthesised speech generalises to people.

Working on mel power instead of samples takes a hundredth of the time. Each function keeps the shape
(N, T, n_mels) and draws from the generator it is given.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ['AugmentConfig', 'augment']


@dataclass(frozen=True)
class AugmentConfig:
    """Strengths. ``warp``: range of vocal tract length factors; ``equaliser_db``: standard deviation
    of a random smooth frequency response; ``noise_db``: range of noise below the mean power;
    ``gain_db``: half width of the level; the rest are probabilities."""

    warp: tuple[float, float] = (0.80, 1.24)
    equaliser_db: float = 5.0
    noise_db: tuple[float, float] = (-55.0, -7.0)
    gain_db: float = 14.0
    reverberation: float = 0.4
    low_pass: float = 0.2
    noise: float = 0.7
    mask: float = 0.5


def _uniform(low: float, high: float, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=rng) * (high - low) + low


def _warp(power: Tensor, config: AugmentConfig, rng: torch.Generator) -> Tensor:
    """Stretch the frequency axis by a factor per clip (vocal tract length perturbation)."""
    count, _, bands = power.shape
    to_mel = 2595.0 * torch.log10(1.0 + torch.tensor([40.0, 7600.0]) / 700.0)
    hz = 700.0 * (10.0 ** (torch.linspace(float(to_mel[0]), float(to_mel[1]), bands) / 2595.0) - 1.0)
    source = hz * _uniform(*config.warp, (count, 1), rng)
    mel = 2595.0 * torch.log10(1.0 + source / 700.0)
    place = ((mel - to_mel[0]) / (to_mel[1] - to_mel[0]) * (bands - 1)).clamp(0, bands - 1)
    lower = place.floor().long()
    upper = (lower + 1).clamp(max=bands - 1)
    share = (place - lower)[:, None]
    index = lower[:, None].expand_as(power), upper[:, None].expand_as(power)
    return power.gather(2, index[0]) * (1 - share) + power.gather(2, index[1]) * share


def _reverberate(power: Tensor, config: AugmentConfig, rng: torch.Generator) -> Tensor:
    """Add reverberation: an exponential tail of power (0.08 to 0.5 s) after every frame."""
    count, frames, bands = power.shape
    on = (torch.rand(count, generator=rng) < config.reverberation).float()
    time = _uniform(0.08, 0.5, (count,), rng)
    level = _uniform(0.02, 0.25, (count,), rng) * on
    # The tail is a first-order recursion; 40 frames of 10 ms contain its relevant part.
    taps = torch.exp(-13.8 * torch.arange(40) * 0.01 / time[:, None]) * level[:, None]
    taps[:, 0] = 1.0
    padded = functional.pad(power.permute(2, 0, 1), (39, 0))
    return functional.conv1d(padded, taps.flip(1)[:, None], groups=count).permute(1, 2, 0)


def _equalise(power: Tensor, config: AugmentConfig, rng: torch.Generator) -> Tensor:
    """A smooth random frequency response, and sometimes the loss of the highest bands."""
    count, _, bands = power.shape
    knots = torch.randn((count, 1, 6), generator=rng) * config.equaliser_db
    curve = functional.interpolate(knots, size=bands, mode='linear', align_corners=True)
    cut = (torch.rand(count, 1, 1, generator=rng) < config.low_pass) * _uniform(0, 0.35, (count, 1, 1), rng)
    dark = torch.linspace(0, 1, bands) > 1 - cut
    return power * 10 ** (curve / 10) * torch.where(dark, 1e-4, 1.0)


def _add_noise(power: Tensor, config: AugmentConfig, rng: torch.Generator) -> Tensor:
    """Stationary coloured noise with the exponential statistics of a power spectrum."""
    count, _, bands = power.shape
    on = (torch.rand((count, 1, 1), generator=rng) < config.noise).float()
    level = power.mean((1, 2), keepdim=True) * 10 ** (_uniform(*config.noise_db, (count, 1, 1), rng) / 10)
    knots = torch.randn((count, 1, 4), generator=rng) * 4.0
    colour = 10 ** (functional.interpolate(knots, size=bands, mode='linear', align_corners=True) / 10)
    flicker = 0.3 - 0.7 * torch.log(torch.rand(power.shape, generator=rng) + 1e-9)
    return power + on * level * colour * flicker


def _mask_bands(power: Tensor, config: AugmentConfig, rng: torch.Generator) -> Tensor:
    """Silence one band of up to eight filters (SpecAugment's frequency masking, Park et al. 2019), so
    that no phone depends on a single cue."""
    count, _, bands = power.shape
    on = torch.rand((count, 1), generator=rng) < config.mask
    first = torch.randint(0, bands, (count, 1), generator=rng)
    width = torch.randint(1, 9, (count, 1), generator=rng)
    index = torch.arange(bands)
    hidden = on & (index >= first) & (index < first + width)
    return power * torch.where(hidden, 1e-4, 1.0)[:, None]


def augment(power: Tensor, config: AugmentConfig, rng: torch.Generator) -> Tensor:
    """Vocal tract, room, channel, noise and level in that order: (N, T, n_mels) -> the same."""
    power = _warp(power, config, rng)
    power = _reverberate(power, config, rng)
    power = _equalise(power, config, rng)
    power = _mask_bands(power, config, rng)
    power = _add_noise(power, config, rng)
    gain = _uniform(-config.gain_db, config.gain_db, (len(power), 1, 1), rng)
    return power * 10 ** (gain / 10)
