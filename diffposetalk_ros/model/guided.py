# SPDX-License-Identifier: Apache-2.0
"""Passes of the network that a step needs: branches of guidance, or one pass of a distilled model.

A distilled network takes the two guidance scales besides shape and style, and predicts the mixture of the
branches (guidance distillation, Meng et al. 2023).
"""

from __future__ import annotations

import numpy as np

from diffposetalk_ros.diffusion.guidance import Branch, guidance_branches
from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.backend import FloatArray, SamplingConfig
from diffposetalk_ros.model.config import ModelConfig

__all__ = ['CODE_GAIN', 'MAX_SCALE', 'branches_for', 'scale_code']

MAX_SCALE = 3.0
"""Distilled models take scales from 1 to this."""
CODE_GAIN = 8.0
"""The network's input is CODE_GAIN (scale - 1): a network hardly learns from differences of a few tenths."""


def branches_for(config: ModelConfig, styled: bool, sampling: SamplingConfig) -> tuple[Branch, ...]:
    """Branches of guidance that a step evaluates.

    ``styled`` tells whether the request carries a style; without one there is no guidance by style.
    Raises ConfigError for settings that the model cannot be sampled with.
    """
    if config.scale_inputs:
        if sampling.guidance not in (None, config.cfg_mode):
            raise ConfigError(
                f'guidance {sampling.guidance!r}; this model was distilled for {config.cfg_mode!r} only'
            )
        return (Branch(True, True, 1.0),)
    conditions = set(config.guiding_conditions)
    if not styled or not config.style_dim:
        conditions.discard('style')
    if sampling.conditions is not None:
        conditions &= set(sampling.conditions)
    mode = sampling.guidance or config.cfg_mode
    return guidance_branches(conditions, mode, sampling.scale_audio, sampling.scale_style)


def scale_code(config: ModelConfig, styled: bool, sampling: SamplingConfig) -> FloatArray | None:
    """Input (2,) of a distilled network for the scales of audio and style, 0 at scale 1; None for others.

    Raises ConfigError for a scale outside the range of the distillation.
    """
    if not config.scale_inputs:
        return None
    scales = {'scale_audio': sampling.scale_audio, 'scale_style': sampling.scale_style if styled else 1.0}
    for name, scale in scales.items():
        if not 1.0 <= scale <= MAX_SCALE:
            raise ConfigError(f'{name} {scale:g}; this model was distilled for 1 to {MAX_SCALE:g}')
    return CODE_GAIN * (np.array(list(scales.values()), np.float32) - 1.0)
