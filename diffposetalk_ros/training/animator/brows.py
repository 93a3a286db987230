# SPDX-License-Identifier: Apache-2.0
"""Brow movement driven by accents, pitch and phrase boundaries."""

from __future__ import annotations

import numpy as np

from diffposetalk_ros.training.animator.coarticulation import Floats
from diffposetalk_ros.training.animator.prosody import Prosody

__all__ = ['brow_activity', 'pulses']


def pulses(times: Floats, onsets: Floats, strengths: Floats, rise: float, fall: float) -> Floats:
    """Sum of bumps that rise and fall (s, standard deviations) around the onsets (s).

    Shape (len(times),).
    """
    if len(onsets) == 0:
        return np.zeros(len(times), np.float32)
    offset = times[:, None] - onsets[None, :]
    width = np.where(offset < 0, np.float32(rise), np.float32(fall))
    return np.asarray(np.exp(-0.5 * (offset / width) ** 2) @ strengths, np.float32)


def brow_activity(voice: Prosody, rng: np.random.Generator) -> Floats:
    """How far prosody lifts the brows, about -0.2..1 before the style's gain, shape (frames,).

    Only some accents take the brows along (drawn from rng, strong ones more often); a raise opens
    most phrases, pitch adds a slow share.
    """
    accents = np.array(voice.accents, np.float32).reshape(-1, 2)
    taken = rng.random(len(accents)) < 0.25 + 0.65 * accents[:, 1]
    lift = pulses(voice.times, accents[taken, 0] - 0.04, 0.75 * accents[taken, 1], 0.10, 0.20)
    starts = np.array([end for _, end in voice.pauses], np.float32)
    amount = rng.uniform(0.1, 0.7, len(starts)).astype(np.float32)
    lift += pulses(voice.times, starts, amount, 0.15, 0.35)
    return np.asarray(np.tanh(lift + 0.2 * voice.pitch * voice.speaking), np.float32)
