# SPDX-License-Identifier: Apache-2.0
"""Lower face: converts articulators and style to ARKit weights, with complete lip closures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from diffposetalk_ros.training.animator.coarticulation import (
    Floats,
    articulate,
    bite_gate,
    closure_gate,
    rest_gate,
)
from diffposetalk_ros.training.animator.sounds import ARTICULATORS
from diffposetalk_ros.training.animator.style import StyleParameters
from diffposetalk_ros.training.animator.visemes import Phone

__all__ = ['lower_face', 'paired']

_JAW_SPAN: Final = 0.6  # jawOpen of a full /aa/ in the neutral style
_SOUND_LAG: Final = 0.012
# s by which the mouth lags the labels. The sound before a /p b/ dies away after the lips have closed, so the
# audible gap is centred 10 ms (people, aligned) to 19 ms (engines' own times) after the labels' hold.
_REST_PRESS: Final = 0.22  # share of a closure's lip pressure that remains in a pause


def _limit(values: Floats) -> Floats:
    """Soft limit: compress values above about 0.8 smoothly towards 1."""
    positive = np.maximum(values, 0)
    return np.asarray(positive / np.sqrt(np.sqrt(1 + positive**4)), np.float32)


def paired(name: str, values: Floats, asymmetry: float) -> dict[str, Floats]:
    """Left and right channel of a weight; positive asymmetry makes the subject's left stronger."""
    return {f'{name}Left': values * (1 + asymmetry), f'{name}Right': values * (1 - asymmetry)}


def lower_face(phones: Sequence[Phone], style: StyleParameters, times: Floats) -> dict[str, Floats]:
    """ARKit weights by name, each (len(times),), of jaw, mouth, cheeks, nose and tongue.

    It is a deterministic function of phonemes and style. Where the lips are closed, all weights that part
    them are 0, and mouthClose equals jawOpen, which closes the lips of an ARKit face whose jaw is open.
    """
    times = times - np.float32(_SOUND_LAG)
    position = dict(zip(ARTICULATORS, articulate(phones, times, style.softness).T, strict=True))
    spoken = closure_gate(phones, times)
    bite = bite_gate(phones, times)
    rest = rest_gate(phones, times)
    closed = np.maximum(spoken, rest)
    apart = 1 - closed
    lips = style.articulation * style.lip_gain
    a = style.asymmetry

    jaw = _limit(_JAW_SPAN * style.articulation * style.jaw_gain * position['jaw'])
    jaw = jaw * (1 - 0.4 * spoken) * (1 - 0.15 * bite)
    rounding = _limit(style.rounding * (0.55 + 0.45 * lips) * position['pucker'])
    funnel = _limit(style.rounding * (0.55 + 0.45 * lips) * 0.85 * position['funnel'])
    stretch = _limit(0.65 * style.spread * (0.5 + 0.5 * lips) * position['stretch'])
    pressure = style.press * np.maximum(spoken, _REST_PRESS * rest)
    held = np.maximum(bite, 0.55 * position['bite'])
    spread_free = 1 - 0.6 * position['pucker']

    upper = (
        (style.upper_lip + 0.45 * (0.3 + 0.7 * lips) * position['upper'])
        * apart
        * (1 - 0.4 * position['pucker'])
    )
    lower = (style.lower_lip + 0.55 * (0.3 + 0.7 * lips) * position['lower']) * apart * (1 - held)
    channels = {
        'jawOpen': jaw,
        'jawForward': 0.22 * position['teeth'] + 0.06 * position['funnel'],
        'mouthClose': jaw * np.maximum(closed, 0.25 * bite),
        'mouthPucker': rounding * (1 - 0.5 * spoken),
        'mouthFunnel': funnel * apart,
        'mouthRollLower': 0.55 * pressure + 0.55 * held,
        'mouthRollUpper': 0.6 * pressure,
        'mouthShrugLower': 0.35 * pressure + 0.35 * style.mouth_frown,
        'mouthShrugUpper': 0.15 * pressure + 0.12 * position['funnel'] * apart,
        'mouthLeft': np.full_like(jaw, max(0.0, style.mouth_shift)),
        'mouthRight': np.full_like(jaw, max(0.0, -style.mouth_shift)),
        'cheekPuff': 0.08 * spoken * style.press,
        'tongueOut': 0.11 * position['tongue'] + 0.08 * position['dental'],
    }
    for name, values in (
        ('mouthStretch', stretch * spread_free),
        ('mouthSmile', style.smile * spread_free * (1 - 0.25 * position['funnel'])),
        ('mouthFrown', np.full_like(jaw, style.mouth_frown)),
        (
            'mouthDimple',
            style.dimple * (1 - 0.7 * position['pucker']) + 0.12 * style.spread * position['stretch'],
        ),
        ('mouthPress', pressure),
        ('mouthUpperUp', upper),
        ('mouthLowerDown', lower),
        ('cheekSquint', style.cheek * (0.8 + 0.4 * position['stretch'])),
        ('noseSneer', style.nose * (0.85 + 0.3 * position['upper'])),
    ):
        channels.update(paired(name, np.asarray(values, np.float32), a))
    return channels
