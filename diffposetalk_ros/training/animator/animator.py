# SPDX-License-Identifier: Apache-2.0
"""Phonemes with times, the sound, and a style -> facial motion in the ARKit layout."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.training.animator.blinks import blink_times, lid_closure
from diffposetalk_ros.training.animator.brows import brow_activity
from diffposetalk_ros.training.animator.coarticulation import Floats, frame_times
from diffposetalk_ros.training.animator.gaze import EYE_CHANNELS, eye_look, gaze_angles
from diffposetalk_ros.training.animator.head import head_rotation
from diffposetalk_ros.training.animator.mouth import lower_face, paired
from diffposetalk_ros.training.animator.prosody import Prosody, prosody
from diffposetalk_ros.training.animator.style import StyleParameters
from diffposetalk_ros.training.animator.visemes import Phone

__all__ = ['animate']

_LAYOUT = arkit_layout()
_COLUMN = {name: column for column, name in enumerate(_LAYOUT.names)}


def animate(
    phones: Sequence[Phone],
    samples: NDArray[np.float32],
    style: StyleParameters,
    frames: int,
    rng: np.random.Generator,
    fps: float = 25.0,
) -> Floats:
    """Facial motion (frames, 55) float32 of speech: 52 ARKit weights 0..1, head rotation in rad.

    phones: (start s, end s, ARPABET) in order; samples (n,) at 16 kHz, clean speech, may be shorter
    than the motion; frame i shows the moment (i + 0.5) / fps. The mouth depends on phones and style
    only; brows, head, blinks and gaze also on the sound and on rng. Raises ConfigError for a frame
    count below 1, sound of another shape, and phonemes out of order or unknown.
    """
    if frames < 1 or fps <= 0:
        raise ConfigError(f'cannot animate {frames} frames at {fps} fps; both must be positive')
    if np.ndim(samples) != 1:
        raise ConfigError(f'samples have shape {np.shape(samples)}; give one channel at 16 kHz')
    times = frame_times(frames, fps)
    voice = prosody(samples, phones, times)
    head = head_rotation(voice, style, rng)
    channels = lower_face(phones, style, times)
    channels.update(_upper_face(voice, style, head, rng))
    motion = np.zeros((frames, _LAYOUT.width), np.float32)
    for name, values in channels.items():
        motion[:, _COLUMN[name]] = values
    np.clip(motion[:, :52], 0, 1, out=motion[:, :52])
    motion[:, 52:] = head
    return motion


def _upper_face(
    voice: Prosody, style: StyleParameters, head: Floats, rng: np.random.Generator
) -> dict[str, Floats]:
    """ARKit weights of eyes, lids and brows, each (frames,)."""
    looks = eye_look(gaze_angles(voice, style, head, rng))
    channels = dict(zip(EYE_CHANNELS, looks.T, strict=True))
    lift = style.brow_motion * brow_activity(voice, rng)
    blink = lid_closure(voice.times, blink_times(voice, style.blink_rate, rng), style.blink_duration)
    droop = max(-style.lid, 0.0)
    for side in ('Left', 'Right'):
        # The upper lid follows the eye down and up.
        open_lid = np.clip(droop + 0.35 * channels[f'eyeLookDown{side}'] - 0.1 * lift, 0, 1)
        channels[f'eyeBlink{side}'] = open_lid + (0.95 - open_lid) * blink
        wide = max(style.lid, 0.0) + 0.15 * np.maximum(lift, 0) + 0.2 * channels[f'eyeLookUp{side}']
        channels[f'eyeWide{side}'] = wide * (1 - blink)
        channels[f'eyeSquint{side}'] = style.squint + 0.25 * style.smile + 0.15 * blink
    raised = np.maximum(lift, 0)
    lowered = np.maximum(-lift, 0)
    channels['browInnerUp'] = style.brow_inner + 0.6 * style.brow_up + 0.5 * raised
    channels.update(paired('browOuterUp', style.brow_up + 0.55 * raised, 0.6 * style.asymmetry))
    down = style.brow_down * (1 - 0.5 * np.minimum(raised, 1)) + 0.4 * lowered
    channels.update(paired('browDown', down, 0.4 * style.asymmetry))
    return channels
