# SPDX-License-Identifier: Apache-2.0
"""Gaze: fixations around a listener with saccades between them, both eyes on one point."""

from __future__ import annotations

import numpy as np

from diffposetalk_ros.training.animator.coarticulation import Floats
from diffposetalk_ros.training.animator.prosody import Prosody
from diffposetalk_ros.training.animator.style import StyleParameters

__all__ = ['EYE_CHANNELS', 'FULL_LOOK', 'eye_look', 'gaze_angles']

EYE_CHANNELS = (
    'eyeLookInLeft', 'eyeLookOutLeft', 'eyeLookInRight', 'eyeLookOutRight',
    'eyeLookUpLeft', 'eyeLookDownLeft', 'eyeLookUpRight', 'eyeLookDownRight',
)  # fmt: skip
FULL_LOOK = 0.6
"""Eye rotation (rad) that corresponds to a look weight of 1."""

_EYE_DISTANCE = 0.063  # m between the eyes
_LISTENER = 0.9  # m from the eyes to what is looked at
_SACCADE = 0.045  # s a saccade takes


def gaze_angles(voice: Prosody, style: StyleParameters, head: Floats, rng: np.random.Generator) -> Floats:
    """Yaw (positive to the subject's left) and pitch (positive down) of the eyes in the head, rad.

    Shape (frames, 2). head (frames, 3) is the head's rotation; the eyes undo most of its movement
    about its mean, as the vestibulo-ocular reflex does. People look away more while they pause.
    """
    duration = float(voice.times[-1]) + 1.0 if len(voice.times) else 1.0
    count = int(duration * style.gaze_rate * 1.5) + 4
    onsets = np.cumsum(rng.gamma(2.0, 0.5 / style.gaze_rate, count)) - 1.0 / style.gaze_rate
    aims = rng.normal(0.0, 1.0, (count + 1, 2)) * np.array([1.0, 0.55]) * style.gaze_range * 0.6
    aims[rng.random(count + 1) < 0.35] *= 0.1  # back to the listener
    for start, end in voice.pauses:
        aims[1:][(onsets >= start - 0.2) & (onsets < end)] *= 1.6
    progress = np.clip(
        (voice.times[:, None] - onsets[None, :].astype(np.float32)) / np.float32(_SACCADE), 0, 1
    )
    progress = progress * progress * (3 - 2 * progress)
    looked = aims[0] + progress @ np.diff(aims, axis=0)
    reflex = 0.7 * (head[:, [1, 0]] - head[:, [1, 0]].mean(axis=0))
    return np.asarray(looked - reflex + (style.gaze_yaw, style.gaze_pitch), np.float32)


def eye_look(angles: Floats) -> Floats:
    """Weights of EYE_CHANNELS, shape (frames, 8), for gaze angles (frames, 2) in rad.

    Both eyes converge on a point 0.9 m away: each turns inwards by 2 degrees on top of the gaze.
    """
    vergence = np.float32(np.arctan(_EYE_DISTANCE / 2 / _LISTENER))
    yaw_left, yaw_right = angles[:, 0] - vergence, angles[:, 0] + vergence
    down = angles[:, 1]
    # To the subject's left is outwards for the left eye and inwards for the right one.
    signed = (-yaw_left, yaw_left, yaw_right, -yaw_right, -down, down, -down, down)
    return np.asarray(np.clip(np.stack(signed, axis=1) / FULL_LOOK, 0, 1), np.float32)
