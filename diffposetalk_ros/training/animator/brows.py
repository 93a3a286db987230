# SPDX-License-Identifier: Apache-2.0
"""Brows, squint and smile: raises before accents and at phrases, random frowns and smiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffposetalk_ros.training.animator.coarticulation import Floats
from diffposetalk_ros.training.animator.movement import drift, raises
from diffposetalk_ros.training.animator.prosody import Prosody

__all__ = ['Expression', 'expression']


@dataclass(frozen=True)
class Expression:
    """Activity (frames,) of the upper face and the smile, about 0 to 1 before the style's gains.

    ``inner`` and ``outer`` raise the brows, ``down`` lowers them, ``squint`` narrows the eyes; ``smile`` is
    -0.6 to 1.
    """

    inner: Floats
    outer: Floats
    down: Floats
    squint: Floats
    smile: Floats


def _spells(times: Floats, rate: float, rng: np.random.Generator, lengths: tuple[float, float]) -> Floats:
    """Random movements, ``rate`` per second on average, that last between the two lengths, s."""
    duration = float(times[-1]) + 4.0 if len(times) else 1.0
    onsets = rng.gamma(1.5, 1 / (1.5 * rate), int(duration * rate * 2) + 4).cumsum() - 4.0
    count = len(onsets)
    hold = np.exp(rng.uniform(np.log(lengths[0]), np.log(lengths[1]), count))
    rise, fall = rng.uniform(0.2, 0.5, count), rng.uniform(0.35, 0.9, count)
    return raises(times, onsets, rng.uniform(0.3, 1.0, count), rise, hold, fall)


def expression(voice: Prosody, rng: np.random.Generator) -> Expression:
    """Brow movements at accents and phrases; frowns and smiles are random.

    A raise begins 60 to 200 ms before its accent. Inner and outer brow mostly move together.
    """
    times, frames = voice.times, len(voice.times)
    accents = np.array(voice.accents, np.float32).reshape(-1, 2)
    taken = accents[rng.random(len(accents)) < 0.2 + 0.55 * accents[:, 1] ** 1.5]
    starts = np.array([end for _, end in voice.pauses if rng.random() < 0.55], np.float32)
    onsets = np.concatenate([taken[:, 0], starts]) - rng.uniform(0.06, 0.2, len(taken) + len(starts))
    count = len(onsets)
    size = np.concatenate([0.3 + 0.6 * taken[:, 1], rng.uniform(0.3, 1.0, len(starts))])
    size = size * rng.uniform(0.6, 1.25, count)
    rise = rng.uniform(0.12, 0.26, count)
    hold = np.exp(rng.uniform(np.log(0.04), np.log(0.9), count))
    fall = rng.uniform(0.18, 0.5, count)
    common = raises(times, onsets, size, rise, hold, fall)
    apart = rng.random(count) < 0.3
    inner = raises(times, onsets, np.where(apart, 0.9, 0.1) * size * rng.random(count), rise, hold, fall)
    lift = np.clip(common + 0.12 * voice.pitch * voice.speaking + 0.1 * drift(frames, 60, rng), 0, 1.3)
    frown = np.maximum(_spells(times, 0.16, rng, (0.2, 2.0)) - 0.5 * common, 0)
    # A smile is likelier when nobody speaks, and weaker during speech.
    smile = _spells(times, 0.11, rng, (0.5, 3.0)) * (1.15 - 0.35 * voice.speaking)
    smile = smile + 0.18 * drift(frames, 45, rng)
    squint = 0.5 * np.maximum(smile, 0) + 0.4 * frown + 0.35 * _spells(times, 0.25, rng, (0.1, 0.8))
    squint = np.maximum(squint + 0.15 * drift(frames, 30, rng) - 0.2 * common, 0)
    return Expression(
        inner=np.asarray(
            np.clip(0.85 * lift + 0.4 * inner + 0.06 * drift(frames, 40, rng), 0, 1.4), np.float32
        ),
        outer=np.asarray(np.clip(lift + 0.06 * drift(frames, 40, rng), 0, 1.4), np.float32),
        down=np.asarray(frown, np.float32),
        squint=np.asarray(squint, np.float32),
        smile=np.asarray(np.clip(smile, -0.6, 1.2), np.float32),
    )
