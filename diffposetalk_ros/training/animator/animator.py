# SPDX-License-Identifier: Apache-2.0
"""Converts timed phonemes, the sound and a style to facial motion in the ARKit layout."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.nonverbal.blinks_and_gaze import EYE_CHANNELS, EyeProcess
from diffposetalk_ros.nonverbal.signals import SIGNALS, apply_signals
from diffposetalk_ros.nonverbal.traits import TRAITS, Traits
from diffposetalk_ros.training.animator.brows import expression
from diffposetalk_ros.training.animator.coarticulation import Floats, frame_times
from diffposetalk_ros.training.animator.head import head_rotation
from diffposetalk_ros.training.animator.mouth import lower_face
from diffposetalk_ros.training.animator.movement import drift
from diffposetalk_ros.training.animator.prosody import Prosody, prosody
from diffposetalk_ros.training.animator.style import StyleParameters
from diffposetalk_ros.training.animator.visemes import Phone

__all__ = ['animate', 'animate_signals', 'eye_traits']

_LAYOUT = arkit_layout()
_COLUMN = {name: column for column, name in enumerate(_LAYOUT.names)}
_EYES = [_COLUMN[name] for name in EYE_CHANNELS]


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
    than the motion; frame i shows the moment (i + 0.5) / fps. The articulation depends only on phones and
    style; head, brows, eyes, smile and asymmetry also depend on the sound and on rng. Raises ConfigError for a frame
    count below 1, sound of another shape, and phonemes out of order or unknown.
    """
    if frames < 1 or fps <= 0:
        raise ConfigError(f'cannot animate {frames} frames at {fps} fps; both must be positive')
    if np.ndim(samples) != 1:
        raise ConfigError(f'samples have shape {np.shape(samples)}; give one channel at 16 kHz')
    times = frame_times(frames, fps)
    voice = prosody(samples, phones, times)
    motion = np.zeros((frames, _LAYOUT.width), np.float32)
    for name, values in lower_face(phones, style, times).items():
        motion[:, _COLUMN[name]] = values
    signals = animate_signals(voice, style, rng)
    level = np.zeros(len(SIGNALS), np.float32)
    level[SIGNALS.index('smile')] = style.smile
    level[SIGNALS.index('lopsided')] = 0.6 * style.asymmetry
    motion = apply_signals(motion, signals, level)
    eyes = EyeProcess(int(rng.integers(2**31)), 0, fps)
    traits = eye_traits(style)
    brow = signals[:, SIGNALS.index('brow_outer')]
    for index in range(frames):
        motion[index, _EYES] = eyes.frame(
            traits, signals[index, :3], float(voice.speaking[index]), float(brow[index] - style.brow_up)
        )
    return motion


def animate_signals(voice: Prosody, style: StyleParameters, rng: np.random.Generator) -> Floats:
    """The nonverbal signals (frames, 10) of a clip; see `diffposetalk_ros.nonverbal.signals`."""
    frames = len(voice.times)
    face = expression(voice, rng)
    raised, lowered = style.brow_motion, style.brow_motion * 0.5 + style.brow_down * 0.4
    smiling = style.smile_motion * (0.35 + style.smile)
    columns = [
        *head_rotation(voice, style, rng).T,
        style.brow_inner + 0.6 * style.brow_up + 0.55 * raised * face.inner,
        style.brow_up + 0.55 * raised * face.outer,
        style.brow_down * (1 - 0.5 * np.minimum(face.outer * raised, 1)) + 0.5 * lowered * face.down,
        style.squint + 0.25 * style.smile + (0.08 + 0.3 * style.smile_motion) * face.squint,
        np.maximum(style.smile + smiling * face.smile, 0),
        style.mouth_shift + 0.05 * style.smile_motion * drift(frames, 50, rng),
        0.6 * style.asymmetry + 0.3 * style.lopsidedness * drift(frames, 40, rng),
    ]
    return np.stack([np.asarray(column, np.float32) for column in columns], 1)


def eye_traits(style: StyleParameters) -> Traits:
    """The traits of a style that `EyeProcess` needs; the others are 0."""
    values = dict.fromkeys(TRAITS, 0.0)
    values |= {
        'blink_rate': style.blink_rate,
        'blink_duration': style.blink_duration,
        'lid_level': 0.04 + max(-style.lid, 0.0),
        'wide_level': max(style.lid, 0.0),
        'gaze_rate': 60 * style.gaze_rate,
        'gaze_yaw': style.gaze_yaw,
        'gaze_pitch': style.gaze_pitch,
        'gaze_yaw_spread': 0.75 * style.gaze_range,
        'gaze_pitch_spread': 0.45 * style.gaze_range,
    }
    return Traits(np.array(list(values.values()), np.float32))
