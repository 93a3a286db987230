# SPDX-License-Identifier: Apache-2.0
"""The animator's own style parameters: how somebody talks, independent of the words."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np

from diffposetalk_ros.errors import StyleError

__all__ = ['NAMED_STYLES', 'STYLE_RANGES', 'StyleParameters', 'named_style', 'sample_style']


@dataclass(frozen=True)
class StyleParameters:
    """Parameters of a speaking style; unit and range of each in STYLE_RANGES and docs/animator.md.

    Raises StyleError for a value outside its range.
    """

    articulation: float = 1.0
    jaw_gain: float = 1.0
    lip_gain: float = 1.0
    rounding: float = 1.0
    spread: float = 1.0
    softness: float = 1.0
    press: float = 0.4
    upper_lip: float = 0.05
    lower_lip: float = 0.05
    smile: float = 0.08
    smile_motion: float = 0.4
    mouth_frown: float = 0.0
    dimple: float = 0.05
    cheek: float = 0.05
    nose: float = 0.0
    mouth_shift: float = 0.0
    brow_up: float = 0.05
    brow_inner: float = 0.0
    brow_down: float = 0.0
    brow_motion: float = 0.4
    lid: float = 0.0
    squint: float = 0.05
    blink_rate: float = 20.0
    blink_duration: float = 0.165
    gaze_range: float = 0.13
    gaze_rate: float = 1.0
    gaze_yaw: float = 0.0
    gaze_pitch: float = 0.0
    head_pitch: float = 0.0
    head_yaw: float = 0.0
    head_roll: float = 0.0
    head_range: float = 0.042
    head_rhythm: float = 0.45
    head_nod: float = 0.035
    head_turn: float = 0.5
    asymmetry: float = 0.1
    lopsidedness: float = 0.6

    def __post_init__(self) -> None:
        for name, (low, high, _) in STYLE_RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise StyleError(f'style parameter {name}={value!r} is outside {low:g}..{high:g}')

    def as_dict(self) -> dict[str, float]:
        """Name -> value, in order of declaration."""
        return {field.name: float(getattr(self, field.name)) for field in fields(self)}


STYLE_RANGES: Final[dict[str, tuple[float, float, str]]] = {
    'articulation': (0.5, 1.6, '1'),
    'jaw_gain': (0.6, 1.5, '1'),
    'lip_gain': (0.6, 1.5, '1'),
    'rounding': (0.5, 1.6, '1'),
    'spread': (0.4, 1.6, '1'),
    'softness': (0.7, 1.5, '1'),
    'press': (0.15, 0.75, '1'),
    'upper_lip': (0.0, 0.35, '1'),
    'lower_lip': (0.0, 0.35, '1'),
    'smile': (0.0, 0.65, '1'),
    'smile_motion': (0.0, 1.0, '1'),
    'mouth_frown': (0.0, 0.55, '1'),
    'dimple': (0.0, 0.35, '1'),
    'cheek': (0.0, 0.5, '1'),
    'nose': (0.0, 0.35, '1'),
    'mouth_shift': (-0.2, 0.2, '1'),
    'brow_up': (0.0, 0.7, '1'),
    'brow_inner': (0.0, 0.6, '1'),
    'brow_down': (0.0, 0.65, '1'),
    'brow_motion': (0.0, 1.0, '1'),
    'lid': (-0.35, 0.35, '1'),
    'squint': (0.0, 0.5, '1'),
    'blink_rate': (2.0, 65.0, '1/min'),
    'blink_duration': (0.11, 0.28, 's'),
    'gaze_range': (0.0, 0.3, 'rad'),
    'gaze_rate': (0.1, 2.5, '1/s'),
    'gaze_yaw': (-0.25, 0.25, 'rad'),
    'gaze_pitch': (-0.2, 0.25, 'rad'),
    'head_pitch': (-0.22, 0.25, 'rad'),
    'head_yaw': (-0.25, 0.25, 'rad'),
    'head_roll': (-0.22, 0.22, 'rad'),
    'head_range': (0.0, 0.16, 'rad'),
    'head_rhythm': (0.15, 1.4, 'Hz'),
    'head_nod': (0.0, 0.18, 'rad'),
    'head_turn': (0.0, 1.0, '1'),
    'asymmetry': (-0.5, 0.5, '1'),
    'lopsidedness': (0.0, 1.0, '1'),
}
"""Name -> (lowest, highest, unit)."""

_NEUTRAL: Final = StyleParameters()


def _style(**changes: Any) -> StyleParameters:
    return replace(_NEUTRAL, **changes)


NAMED_STYLES: Final[dict[str, StyleParameters]] = {
    'neutral': _NEUTRAL,
    'big_articulation': _style(articulation=1.5, jaw_gain=1.15, lip_gain=1.25, rounding=1.3, spread=1.3,
                               softness=0.8, lower_lip=0.15, brow_motion=0.5),
    'small_articulation': _style(articulation=0.5, jaw_gain=0.7, lip_gain=0.8, softness=1.3, press=0.25,
                                 brow_motion=0.15, head_nod=0.02),
    'smiling': _style(smile=0.55, cheek=0.4, dimple=0.2, squint=0.2, upper_lip=0.15, brow_up=0.12,
                      spread=1.3),
    'serious': _style(smile=0.0, dimple=0.0, press=0.6, brow_down=0.3, squint=0.2, blink_rate=11,
                      head_range=0.016, head_pitch=0.04, brow_motion=0.15),
    'raised_brows': _style(brow_up=0.55, brow_motion=0.6, lid=0.2),
    'frowning': _style(brow_down=0.55, mouth_frown=0.35, smile=0.0, nose=0.15, squint=0.3,
                       head_pitch=0.06),
    'frequent_blinks': _style(blink_rate=52, blink_duration=0.15, lid=-0.08),
    'still': _style(head_range=0.003, head_nod=0.0, brow_motion=0.03, smile_motion=0.05, gaze_range=0.02,
                    gaze_rate=0.15, blink_rate=7, lopsidedness=0.05),
    'lively': _style(head_range=0.08, head_rhythm=0.6, head_nod=0.09, brow_motion=0.85, brow_up=0.12,
                     articulation=1.2, gaze_rate=2.0, gaze_range=0.21, smile=0.25, smile_motion=0.6, blink_rate=26),
    'nodding': _style(head_nod=0.17, head_range=0.015, head_rhythm=0.8, head_turn=0.1),
    'large_head': _style(head_range=0.11, head_rhythm=0.3, head_nod=0.06, head_turn=0.7),
    'head_shaking': _style(head_range=0.075, head_rhythm=0.85, head_nod=0.02, head_turn=1.0),
    'tilted': _style(head_roll=0.19, head_yaw=0.08, smile=0.15, head_range=0.03),
    'turned_away': _style(head_yaw=-0.24, gaze_yaw=0.1, head_pitch=0.03),
    'tense': _style(press=0.7, brow_down=0.2, brow_inner=0.2, lid=0.25, squint=0.15, spread=1.45,
                    softness=0.75, jaw_gain=0.65, head_range=0.02, head_rhythm=1.3,
                    blink_rate=32, mouth_frown=0.1),
    'sad': _style(brow_inner=0.55, mouth_frown=0.45, smile=0.0, lid=-0.25, head_pitch=0.18,
                  gaze_pitch=0.15, articulation=0.7, softness=1.3, head_rhythm=0.2,
                  head_nod=0.02, brow_motion=0.1, blink_rate=12),
    'sleepy': _style(lid=-0.35, blink_duration=0.27, blink_rate=22, articulation=0.65, softness=1.45,
                     head_roll=-0.08, head_pitch=0.08, gaze_rate=0.3, brow_motion=0.1),
    'surprised': _style(brow_up=0.7, brow_inner=0.35, lid=0.35, jaw_gain=1.3, head_pitch=-0.08,
                        blink_rate=8),
    'smirking': _style(smile=0.3, dimple=0.25, asymmetry=0.5, mouth_shift=0.1, squint=0.2,
                       head_roll=-0.06),
    'pouting': _style(rounding=1.6, spread=0.5, smile=0.0, mouth_frown=0.2, lower_lip=0.2, lip_gain=1.3),
    'disgusted': _style(nose=0.35, upper_lip=0.3, brow_down=0.35, squint=0.3, mouth_frown=0.25,
                        smile=0.0, head_pitch=-0.1, asymmetry=-0.25),
}  # fmt: skip
"""Ready-made styles, all clearly different from 'neutral' and from one another."""


def named_style(name: str) -> StyleParameters:
    """Look up a named style. Raises StyleError that lists the names."""
    try:
        return NAMED_STYLES[name]
    except KeyError:
        raise StyleError(f'no animator style {name!r}; there are {", ".join(NAMED_STYLES)}') from None


# Probability that a sampled style uses an expression at all; otherwise it stays near neutral.
_EXPRESSION_CHANCE: Final = {
    'smile': 0.6, 'mouth_frown': 0.3, 'dimple': 0.5, 'cheek': 0.5, 'nose': 0.25, 'mouth_shift': 0.3,
    'brow_up': 0.55, 'brow_inner': 0.3, 'brow_down': 0.4, 'upper_lip': 0.6, 'lower_lip': 0.6,
    'squint': 0.5,
    'gaze_yaw': 0.4, 'gaze_pitch': 0.4, 'asymmetry': 0.5,
}  # fmt: skip
_LOG_SPACED: Final = frozenset({'articulation', 'blink_rate', 'head_rhythm', 'gaze_rate'})


def sample_style(rng: np.random.Generator) -> StyleParameters:
    """Draw a style: a third are variations of named ones, the others cover the whole ranges.

    Opposites (smile and frown, raised and lowered brows) exclude each other. Deterministic in rng.
    """
    if rng.random() < 1 / 3:
        return _vary(NAMED_STYLES[list(NAMED_STYLES)[rng.integers(len(NAMED_STYLES))]], rng)
    values: dict[str, float] = {}
    for name, (low, high, _) in STYLE_RANGES.items():
        draw = float(rng.random())
        used = rng.random() < _EXPRESSION_CHANCE.get(name, 1.0)
        if not used:
            values[name] = 0.0
        elif name in _LOG_SPACED:
            values[name] = float(low * (high / low) ** draw)
        elif low < 0:
            # Baselines around zero: middle values are more frequent than extremes.
            values[name] = (low + high) / 2 + (high - low) / 2 * (2 * draw - 1) * float(rng.uniform(0.4, 1.0))
        else:
            values[name] = low + (high - low) * draw
    for one, other in (('smile', 'mouth_frown'), ('brow_up', 'brow_down')):
        weaker = one if values[one] < values[other] else other
        values[weaker] *= 0.15
    return StyleParameters(**values)


def _vary(style: StyleParameters, rng: np.random.Generator) -> StyleParameters:
    values = style.as_dict()
    for name, (low, high, _) in STYLE_RANGES.items():
        values[name] = float(np.clip(values[name] + rng.normal(0.0, 0.12) * (high - low), low, high))
    return StyleParameters(**values)
