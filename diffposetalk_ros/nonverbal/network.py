# SPDX-License-Identifier: Apache-2.0
"""The nonverbal network: draws the next 240 ms of the signals by diffusion from the past signals and the sound.

It has a recurrent context (a gated recurrent unit over blocks of three knots) and a diffusion head (Li et al.
2024). The denoised target is the deviation of the signals from a straight continuation of their movement. Each
number is in units of its own spread within a clip, so that its scale matches that of the noise.

Runs on NumPy alone. `training/train_nonverbal.py` holds the same network in torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.diffusion.sampler import Coefficients, sample, solver_coefficients
from diffposetalk_ros.diffusion.schedule import Timesteps, make_schedule, timesteps
from diffposetalk_ros.errors import ModelError
from diffposetalk_ros.nonverbal.signals import SIGNALS

__all__ = [
    'BANDS', 'BLOCK', 'CONTEXT', 'HIDDEN', 'STEPS_TRAINED', 'STEP_FEATURES', 'TARGET', 'TYPICAL_PACE',
    'NonverbalNetwork', 'audio_summary', 'expected', 'inputs_of', 'step_features',
]  # fmt: skip

Floats = NDArray[np.float32]

BANDS: Final = 16
"""Mel bands of the network's input, each the mean of four neighbouring ones."""
_SLICES = 4
"""Moments of 20 ms in a knot of 80 ms."""
_WIDTH = len(SIGNALS)
BLOCK: Final = 3
"""Knots that are drawn together."""
AUDIO: Final = BANDS * _SLICES
TARGET: Final = BLOCK * _WIDTH
"""Numbers that are denoised together."""
CONTEXT: Final = (BLOCK + 2) * _WIDTH + BLOCK * AUDIO
"""Inputs of a step: the knots of the block before (in spreads), their last velocity, pace, and audio."""
HIDDEN: Final = 160
_MOMENTUM: Final = np.array([1.0, 1.7, 2.1], np.float32)
"""How many knots' worth of the present velocity a signal travels by the first, second and third knot."""
STEP_FEATURES: Final = 16
TYPICAL_PACE: Final = 4.0
"""1/s; the unit of `NonverbalNetwork.gain`."""
STEPS_TRAINED: Final = 500


def audio_summary(mel: Floats) -> Floats:
    """Normalised log mel of one knot (8, 64) -> audio input of the network (64,): 16 bands every 20 ms."""
    return np.asarray(mel.reshape(_SLICES, 2, BANDS, -1).mean((1, 3)), np.float32).reshape(-1)


def expected(last: Floats, velocity: Floats) -> Floats:
    """Straight, slowing continuation: (..., 3, 10) knots from the last position and velocity (..., 10)."""
    return np.asarray(last[..., None, :] + _MOMENTUM[:, None] * velocity[..., None, :], np.float32)


def inputs_of(block: Floats, velocity: Floats, pace: Floats, audio: Floats) -> Floats:
    """Input of the recurrent context for a block (..., CONTEXT).

    ``block`` (..., 3, 10) knots in spreads; ``velocity`` (..., 10) of the last one, spreads per knot;
    ``pace`` (..., 10) 1/s; ``audio`` (..., 3, 64) `audio_summary` of each knot.
    """
    flat = block.shape[:-2]
    relative = velocity / (pace * np.float32(0.08))
    parts = [block.reshape(*flat, -1), relative, np.log(pace / 3.5), audio.reshape(*flat, -1)]
    return np.concatenate(parts, axis=-1).astype(np.float32)


def step_features(step: int) -> Floats:
    """Sine and cosine features (16,) of diffusion step 1..500."""
    rates = np.exp(-np.log(10000.0) * np.arange(STEP_FEATURES // 2) / (STEP_FEATURES // 2))
    return np.concatenate([np.sin(step * rates), np.cos(step * rates)]).astype(np.float32)


@cache
def _solver(steps: int) -> tuple[Timesteps, tuple[Coefficients, ...]]:
    visited = timesteps(STEPS_TRAINED, steps)
    return visited, tuple(solver_coefficients('ddim', make_schedule('cosine', STEPS_TRAINED), visited))


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)), np.float32)


def _gelu(x: Floats) -> Floats:
    # The tanh form, as torch's GELU(approximate='tanh').
    return np.asarray(0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3))), np.float32)


@dataclass(frozen=True)
class NonverbalNetwork:
    """Weights by torch's names: ``context.*`` (GRU), ``head.*`` (three linear layers), ``scale_*`` (units of the
    target); ``gain``, ``gain_slope`` and ``offset`` (see `calibrated`); ``pace_range`` (2, 10), 1/s, of the paces it
    was trained on.

    Raises ModelError for missing weights or wrong shapes.
    """

    weights: Mapping[str, Floats]

    def __post_init__(self) -> None:
        shapes = {
            'context.weight_ih_l0': (3 * HIDDEN, CONTEXT),
            'context.weight_hh_l0': (3 * HIDDEN, HIDDEN),
            'context.bias_ih_l0': (3 * HIDDEN,),
            'context.bias_hh_l0': (3 * HIDDEN,),
            'head.0.weight': (2 * HIDDEN, HIDDEN + TARGET + STEP_FEATURES),
            'head.2.weight': (HIDDEN, 2 * HIDDEN),
            'head.4.weight': (TARGET, HIDDEN),
            'scale_slope': (TARGET,),
            'scale_offset': (TARGET,),
            'gain': (_WIDTH,),
            'gain_slope': (_WIDTH,),
            'offset': (_WIDTH,),
            'pace_range': (2, _WIDTH),
        }
        for name, shape in shapes.items():
            if name not in self.weights or self.weights[name].shape != shape:
                raise ModelError(f'the nonverbal network lacks {name} of shape {shape}; copy the model again')
        # Half precision on disk, single in use.
        full = {name: np.asarray(value, np.float32) for name, value in self.weights.items()}
        object.__setattr__(self, 'weights', full)

    @property
    def reference(self) -> Floats | None:
        """Audio features (100, C) of known speech for measuring the denoiser's jaw; None if the file has
        none.
        """
        return self.weights.get('reference')

    def context(self, state: Floats, inputs: Floats) -> Floats:
        """New hidden state (160,) from the old one and the inputs (CONTEXT,); torch's GRU."""
        w = self.weights
        gates = w['context.weight_ih_l0'] @ inputs + w['context.bias_ih_l0']
        recurrent = w['context.weight_hh_l0'] @ state + w['context.bias_hh_l0']
        reset = _sigmoid(gates[:HIDDEN] + recurrent[:HIDDEN])
        update = _sigmoid(gates[HIDDEN : 2 * HIDDEN] + recurrent[HIDDEN : 2 * HIDDEN])
        fresh = np.tanh(gates[2 * HIDDEN :] + reset * recurrent[2 * HIDDEN :])
        return np.asarray((1 - update) * fresh + update * state, np.float32)

    def denoise(self, noisy: Floats, state: Floats, step: int) -> Floats:
        """Estimate of the clean target (30,) at diffusion ``step`` from ``noisy`` (30,) and the
        context (160,).
        """
        w = self.weights
        x = np.concatenate([noisy, state, step_features(step)])
        x = _gelu(w['head.0.weight'] @ x + w['head.0.bias'])
        x = _gelu(w['head.2.weight'] @ x + w['head.2.bias'])
        return w['head.4.weight'] @ x + w['head.4.bias']

    def scale(self, pace: Floats) -> Floats:
        """Unit of the target (30,), in spreads, for signals of this pace (10,) 1/s."""
        w = self.weights
        return np.asarray(
            np.exp(w['scale_offset'] + w['scale_slope'] * np.log(np.tile(pace, BLOCK))), np.float32
        )

    def learned_pace(self, pace: Floats) -> Floats:
        """The nearest pace (10,) in the training range. Outside of it, the movements diverge."""
        low, high = self.weights['pace_range']
        return np.asarray(np.clip(pace, low, high), np.float32)

    def gain(self, pace: Floats) -> Floats:
        """Factor (10,) for `calibrated` at a pace (10,): fast sequences of draws spread more than slow ones."""
        return np.asarray(
            self.weights['gain'] * (pace / TYPICAL_PACE) ** -self.weights['gain_slope'], np.float32
        )

    def calibrated(self, knots: Floats, gain: Floats) -> Floats:
        """Calibrated knots (..., 10), with mean 0 and, through the `gain` of the pace, spread 1 over minutes.
        Both corrections were measured after training.
        """
        return np.asarray((knots - self.weights['offset']) * gain, np.float32)

    def sample(self, state: Floats, noise: Floats, steps: int) -> Floats:
        """Target (30,) by DDIM from x_T = ``noise`` (30,) in ``steps`` evaluations."""
        visited, coefficients = _solver(steps)
        drawn = sample(lambda x, t: self.denoise(x, state, t), noise, visited, coefficients)
        return np.asarray(drawn, np.float32)
