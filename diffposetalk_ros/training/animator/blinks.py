# SPDX-License-Identifier: Apache-2.0
"""Blinks: a seeded renewal process that prefers pauses, and the course of a lid over one blink."""

from __future__ import annotations

import numpy as np

from diffposetalk_ros.training.animator.coarticulation import Floats
from diffposetalk_ros.training.animator.prosody import Prosody

__all__ = ['blink_times', 'lid_closure']

_BOUNDARY_SHARE = 0.5  # chance that a pause within reach pulls the next blink onto itself


def blink_times(voice: Prosody, rate: float, rng: np.random.Generator) -> list[float]:
    """Moments (s) at which the lids meet; rate in blinks per minute.

    Intervals are gamma distributed (shape 3, so less regular than a clock and less bunched than a
    Poisson process); half of the blinks that fall near the beginning of a pause move there.
    """
    duration = float(voice.times[-1]) if len(voice.times) else 0.0
    mean = 60.0 / rate
    now = -float(rng.uniform(0, mean))
    blinks: list[float] = []
    while True:
        now += max(0.3, float(rng.gamma(3.0, mean / 3.0)))
        if now > duration + 0.5:
            return blinks
        near = [start + 0.08 for start, _ in voice.pauses if abs(start - now) < 0.35 * mean]
        if near and rng.random() < _BOUNDARY_SHARE and (not blinks or near[0] - blinks[-1] > 0.3):
            now = near[0]
        if now > -0.5:
            blinks.append(now)


def lid_closure(times: Floats, blinks: list[float], duration: float) -> Floats:
    """How far the blinks close the lids at each time, 0..1, shape (len(times),).

    duration (s) from open to open. Lids fall in a third of it and rise in two thirds; they stay
    shut for 45 ms, so a blink is never lost between two frames.
    """
    if not blinks:
        return np.zeros(len(times), np.float32)
    offset = times[:, None] - np.array(blinks, np.float32)[None, :]
    falling = np.clip((-offset - 0.0225) / np.float32(duration / 3), 0, 1)
    rising = np.clip((offset - 0.0225) / np.float32(duration * 2 / 3), 0, 1)
    distance = np.maximum(falling, rising).min(axis=1)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * distance), np.float32)
