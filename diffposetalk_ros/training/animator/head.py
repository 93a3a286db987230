# SPDX-License-Identifier: Apache-2.0
"""Head rotation: posture, rhythmic sway, nods on accents, phrase endings, breath.

Axes: x to the subject's left, y up, z forward; so +x nods down, +y turns to the subject's left and
+z tilts towards the subject's right shoulder.
"""

from __future__ import annotations

import numpy as np

from diffposetalk_ros.training.animator.brows import pulses
from diffposetalk_ros.training.animator.coarticulation import Floats
from diffposetalk_ros.training.animator.prosody import Prosody
from diffposetalk_ros.training.animator.style import StyleParameters

__all__ = ['head_rotation']

_BREATH = 0.25  # Hz
_BREATH_DEPTH = 0.004  # rad
_PARTIALS = 3  # sinusoids per axis; close frequencies, so the sway beats and never repeats exactly


def _sway(times: Floats, rhythm: float, rng: np.random.Generator) -> Floats:
    """Narrow-band movement about 0 with unit standard deviation, shape (frames, 3)."""
    frequency = rhythm * rng.uniform(0.8, 1.2, (3, _PARTIALS))
    phase = rng.uniform(0, 2 * np.pi, (3, _PARTIALS))
    gain = np.sqrt(2.0 / _PARTIALS)
    angle = (2 * np.pi * frequency).astype(np.float32) * times[:, None, None] + phase.astype(np.float32)
    return np.asarray(gain * np.sin(angle).sum(axis=2), np.float32)


def head_rotation(voice: Prosody, style: StyleParameters, rng: np.random.Generator) -> Floats:
    """Rotation vector (rad) of the head, shape (frames, 3).

    Sway grows with loudness, accents nod the head down, phrases end low and start raised. Which
    accents nod, and the phases, come from rng.
    """
    times = voice.times
    drive = 0.45 + 0.35 * voice.speaking + 0.3 * voice.loudness
    sway = _sway(times, style.head_rhythm, rng) * (style.head_range * drive)[:, None]
    turn = style.head_turn
    share = np.array([0.4 - 0.2 * turn, 0.25 + 0.75 * turn, 0.6 - 0.2 * turn], np.float32)
    rotation = sway * share
    accents = np.array(voice.accents, np.float32).reshape(-1, 2)
    nods = rng.random(len(accents)) < 0.35 + 0.6 * accents[:, 1]
    # A quick rhythm also means quick nods.
    fall = float(np.clip(0.16 / np.sqrt(style.head_rhythm / 0.4), 0.08, 0.26))
    strength = style.head_nod * accents[nods, 1]
    rotation[:, 0] += pulses(times, accents[nods, 0], strength, 0.7 * fall, fall)
    rotation[:, 0] -= pulses(times, accents[nods, 0] - 2.4 * fall, 0.3 * strength, fall, fall)
    ends = np.array([start for start, _ in voice.pauses], np.float32)
    starts = np.array([end for _, end in voice.pauses], np.float32)
    depth = np.full(len(ends), 0.5 * style.head_nod, np.float32)
    rotation[:, 0] += pulses(times, ends, depth, 0.25, 0.45)
    rotation[:, 0] -= pulses(times, starts, 0.7 * depth, 0.2, 0.4)
    breath = np.sin(2 * np.pi * _BREATH * times + rng.uniform(0, 2 * np.pi))
    rotation[:, 0] += _BREATH_DEPTH * breath * (1.4 - voice.speaking)
    rotation += np.array([style.head_pitch, style.head_yaw, style.head_roll], np.float32)
    return np.asarray(rotation, np.float32)
