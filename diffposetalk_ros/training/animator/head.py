# SPDX-License-Identifier: Apache-2.0
"""Head rotation: posture that shifts with phrases, sway, nods on accents, breath.

Axes: x to the subject's left, y up, z forward; so +x nods down, +y turns to the subject's left and
+z tilts towards the subject's right shoulder. Amplitudes and spectra follow filmed people (docs/animator.md):
four fifths of the power lie below 1 Hz, one twentieth above 2 Hz.
"""

from __future__ import annotations

import numpy as np

from diffposetalk_ros.training.animator.coarticulation import Floats
from diffposetalk_ros.training.animator.movement import bumps, drift, shifts
from diffposetalk_ros.training.animator.prosody import Prosody
from diffposetalk_ros.training.animator.style import StyleParameters

__all__ = ['head_rotation']

_BREATH = 0.25  # Hz
_BREATH_DEPTH = 0.003  # rad


def _posture(voice: Prosody, rhythm: float, rng: np.random.Generator) -> Floats:
    """Postures of the head (frames, 3), about unit deviation; they change at phrases and sometimes in between."""
    duration = float(voice.times[-1]) + 1.0
    between = rng.gamma(2.0, 0.5 / rhythm, int(duration * rhythm * 2) + 3).cumsum() - 1.0
    phrases = [moment + rng.normal(0, 0.12) for span in voice.pauses for moment in span]
    kept = [moment for moment in phrases if rng.random() < 0.7]
    moments = np.sort(np.concatenate([between[between < duration], kept]))
    sharp = rng.random(len(moments)) < 0.2
    slow = rng.uniform(0.45, 1.0, len(moments)) / np.sqrt(rhythm / 0.45)
    spans = np.where(sharp, rng.uniform(0.28, 0.42, len(moments)), np.clip(slow, 0.35, 2.0))
    places = np.zeros((len(moments) + 1, 3))
    places[0] = rng.normal(0, 1, 3)
    for index in range(len(moments)):
        # Each posture depends partly on the last one, so the head neither drifts away nor jumps from side to side.
        step = rng.normal(0, 1, 3) * (0.35 + 0.65 * rng.random())
        places[index + 1] = 0.45 * places[index] + 0.95 * step
    return shifts(voice.times, moments, places, spans)


def head_rotation(voice: Prosody, style: StyleParameters, rng: np.random.Generator) -> Floats:
    """Rotation vector (rad) of the head, shape (frames, 3).

    Movement increases with loudness, accents nod the head down, phrases end low and start raised. rng decides
    which accents have nods, and the postures.
    """
    times, rhythm, turn = voice.times, style.head_rhythm, style.head_turn
    frames = len(times)
    fps = 1.0 / float(times[1] - times[0]) if frames > 1 else 25.0
    drive = 0.55 + 0.3 * voice.speaking + 0.3 * voice.loudness
    slow = _posture(voice, rhythm, rng)
    sway = np.stack([drift(frames, fps / (1.9 * rhythm), rng) for _ in range(3)], 1)
    quick = np.stack([drift(frames, fps / (3.6 * np.sqrt(rhythm)), rng) for _ in range(3)], 1)
    mixed = 0.72 * slow + (0.55 * sway + 0.22 * quick) * drive[:, None]
    # Turning and tilting go together: the head rolls a little against the turn.
    mixed[:, 2] = 0.85 * mixed[:, 2] - 0.35 * mixed[:, 1]
    share = np.array([0.95 - 0.35 * turn, 0.45 + 1.15 * turn, 0.95 - 0.5 * turn], np.float32)
    rotation = mixed * share * style.head_range
    accents = np.array(voice.accents, np.float32).reshape(-1, 2)
    nods = rng.random(len(accents)) < 0.3 + 0.6 * accents[:, 1]
    # A fast rhythm also makes nods fast.
    fall = float(np.clip(0.15 / np.sqrt(rhythm / 0.45), 0.09, 0.24))
    strength = style.head_nod * accents[nods, 1] * rng.uniform(0.5, 1.3, int(nods.sum()))
    late = accents[nods, 0] + rng.uniform(0.0, 0.12, int(nods.sum()))
    rotation[:, 0] += bumps(times, late, strength, 0.8 * fall, 1.1 * fall)
    rotation[:, 0] -= bumps(times, late - 2.4 * fall, 0.3 * strength, fall, fall)
    rotation[:, 1] += bumps(times, late, 0.25 * strength * rng.choice([-1, 1], len(late)), fall, 1.6 * fall)
    ends = np.array([start for start, _ in voice.pauses], np.float32)
    starts = np.array([end for _, end in voice.pauses], np.float32)
    depth = np.full(len(ends), 0.5 * style.head_nod, np.float32)
    rotation[:, 0] += bumps(times, ends, depth, 0.25, 0.45)
    rotation[:, 0] -= bumps(times, starts, 0.7 * depth, 0.2, 0.4)
    breath = np.sin(2 * np.pi * _BREATH * times + rng.uniform(0, 2 * np.pi))
    size = min(1.0, style.head_range / 0.02)
    rotation[:, 0] += size * _BREATH_DEPTH * breath * (1.4 - voice.speaking)
    rotation += np.array([style.head_pitch, style.head_yaw, style.head_roll], np.float32)
    return np.asarray(rotation, np.float32)
