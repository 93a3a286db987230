# SPDX-License-Identifier: Apache-2.0
"""The sources of motion that an evaluation compares."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import ConfigError, ModelError
from diffposetalk_ros.evaluation.comparison import Contender
from diffposetalk_ros.evaluation.reference import clip_frames, clip_seed, reference_motion
from diffposetalk_ros.evaluation.speech_sets import SpeechClip
from diffposetalk_ros.model.backend import SamplingConfig
from diffposetalk_ros.motion.closure_snap import snap_closures
from diffposetalk_ros.motion.rig import load_rig
from diffposetalk_ros.offline.generator import Generator
from diffposetalk_ros.training.animator import named_style

__all__ = ['DEFAULT_SAMPLERS', 'contenders', 'main_sampler', 'parse_sampler']

Floats = NDArray[np.float32]

DEFAULT_SAMPLERS = ('ddpm:500', 'ddim:8', 'ddim:4', 'dpmpp_2m:8', 'dpmpp_2m:4', 'ddim:1')
"""The first is what the others are compared with; one step is the conditional mean of a model that
predicts the sample."""


_SLOW_STEPS = 50
_SAMPLER = re.compile(r'(ddpm|ddim|dpmpp_2m):([1-9][0-9]*)(?::(even|quadratic))?')


def parse_sampler(text: str, base: SamplingConfig) -> SamplingConfig:
    """'SOLVER:STEPS' or 'SOLVER:STEPS:SPACING' -> settings with the scales of ``base``.

    Raises ConfigError for another form.
    """
    match = _SAMPLER.fullmatch(text)
    if match is None:
        raise ConfigError(
            f'sampler {text!r}; use ddpm:N, ddim:N or dpmpp_2m:N with N network evaluations, '
            'and :quadratic after it for quadratic spacing'
        )
    solver, steps, spacing = match.groups('even')
    return replace(base, solver=solver, steps=int(steps), spacing=spacing)


def main_sampler(samplers: Sequence[str]) -> str:
    """The first fast sampler, which represents the model in use; otherwise the first."""
    fast = (name for name in samplers if parse_sampler(name, SamplingConfig()).steps <= _SLOW_STEPS)
    return next(fast, samplers[0])


def _generated(
    generator: Generator, sampling: SamplingConfig, style: str | None, clip: SpeechClip, seed: int
) -> Floats:
    return generator.generate(clip.samples, style, clip_seed(clip, seed) % 2**31, sampling).values


def _in_turn(
    free: SimpleQueue[Generator], sampling: SamplingConfig, style: str | None, clip: SpeechClip, seed: int
) -> Floats:
    """Use any free generator; one generator serves one thread at a time."""
    generator = free.get()
    try:
        return _generated(generator, sampling, style, clip, seed)
    finally:
        free.put(generator)


def _other_style(
    generator: Generator, sampling: SamplingConfig, style: str | None, clip: SpeechClip, seed: int
) -> Floats:
    others = sorted(set(generator.model.styles) - {style})
    other = others[clip_seed(clip, seed) % len(others)]
    return _generated(generator, sampling, other, clip, seed)


def _as_shown(
    generator: Generator, sampling: SamplingConfig, style: str | None, clip: SpeechClip, seed: int
) -> Floats:
    return snap_closures(load_rig(), _generated(generator, sampling, style, clip, seed))


def _mean(mean: Floats, clip: SpeechClip, seed: int) -> Floats:
    return np.tile(mean, (clip_frames(clip), 1))


def contenders(
    generators: Sequence[Generator],
    samplers: Sequence[str] = DEFAULT_SAMPLERS,
    base: SamplingConfig | None = None,
    style: str = 'neutral',
    regressor: Generator | None = None,
) -> list[Contender]:
    """The model with each sampler, as the head shows it (`motion/closure_snap.py`), with shuffled styles, the mean
    motion and the animator itself.

    ``generators`` hold the same model; slow samplers use all of them at once, the others the first.
    ``regressor`` adds a model that was trained to regress; it answers in one step. Raises
    ModelError for a model that is not in ARKit space at 25 fps or does not know the style.
    """
    generator, base = generators[0], base or SamplingConfig()
    model = generator.model
    _check(generator, style)
    few = main_sampler(samplers)
    free: SimpleQueue[Generator] = SimpleQueue()
    for each in generators:
        free.put(each)
    listed = []
    for name in samplers:
        sampler = parse_sampler(name, base)
        slow = sampler.steps > _SLOW_STEPS
        motion = (
            partial(_in_turn, free, sampler, style)
            if slow
            else partial(_generated, generator, sampler, style)
        )
        listed.append(Contender(name, motion, slow))
    shown = partial(_as_shown, generator, parse_sampler(few, base), style)
    listed.append(Contender(f'{few}, as shown', shown))
    if len(model.styles) > 1:
        shuffled = partial(_other_style, generator, parse_sampler(few, base), style)
        listed.append(Contender(f'{few}, shuffled style', shuffled))
    if regressor is not None:
        _check(regressor, style)
        if not regressor.config.deterministic:
            raise ModelError(
                f'{regressor.model.folder} is not a regressor; train one with diffposetalk train --regressor'
            )
        listed.append(Contender('regressor', partial(_generated, regressor, base, style)))
    listed.append(Contender('mean motion', partial(_mean, np.asarray(model.mean, np.float32))))
    look = named_style(style)
    listed.append(
        Contender('animator, other draw', lambda clip, seed: reference_motion(clip, look, seed + 1_000_003))
    )
    return listed


def _check(generator: Generator, style: str) -> None:
    """Raise ModelError for a model whose motion cannot be measured."""
    config, model = generator.config, generator.model
    if config.layout.space != 'arkit' or not config.head_pose or config.fps != 25:
        raise ModelError(f'{model.folder} is not an arkit model with head pose at 25 fps; evaluate needs one')
    if style not in model.styles:
        raise ModelError(
            f'{model.folder} has no style {style!r}; use {", ".join(sorted(model.styles)) or "none"}'
        )
