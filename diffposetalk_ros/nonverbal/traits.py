# SPDX-License-Identifier: Apache-2.0
"""Traits: named numbers for the amount of each kind of movement of a person.

A style vector of 128 numbers, taken from 4 s, describes how a mouth articulates and where a face rests. It cannot
describe a blink rate. A style therefore also has these traits, measured on the whole clip: level, spread and pace of
each nonverbal signal, and rate and range of blinks and gaze. A style file is the vector followed by `TRAITS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.errors import ConfigError, StyleError
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.nonverbal.eye_measures import blink_events, eyes_open, gaze_changes, gaze_of, lids_of
from diffposetalk_ros.nonverbal.signals import SIGNALS, signals_of

__all__ = ['TRAITS', 'TRAIT_RANGES', 'Amounts', 'Traits', 'measure_traits']

Floats = NDArray[np.float32]

TRAIT_RANGES: Final[dict[str, tuple[float, float, str]]] = {
    **{f'{name}_level': (-0.6, 0.6, 'rad') for name in SIGNALS[:3]},
    **{f'{name}_level': (0.0, 1.0, '1') for name in SIGNALS[3:8]},
    **{f'{name}_level': (-0.5, 0.5, '1') for name in SIGNALS[8:]},
    **{f'{name}_spread': (0.0, 0.25, 'rad') for name in SIGNALS[:3]},
    **{f'{name}_spread': (0.0, 0.35, '1') for name in SIGNALS[3:]},
    **{f'{name}_pace': (1.0, 12.0, '1/s') for name in SIGNALS},
    'blink_rate': (0.0, 70.0, '1/min'),
    'blink_duration': (0.08, 0.35, 's'),
    'lid_level': (0.0, 0.6, '1'),
    'wide_level': (0.0, 0.6, '1'),
    'gaze_rate': (0.0, 150.0, '1/min'),
    'gaze_yaw': (-0.4, 0.4, 'rad'),
    'gaze_pitch': (-0.4, 0.4, 'rad'),
    'gaze_yaw_spread': (0.0, 0.3, 'rad'),
    'gaze_pitch_spread': (0.0, 0.3, 'rad'),
    'jaw_gain': (0.3, 2.5, '1'),
    'jaw_offset': (-0.15, 0.5, '1'),
}
"""Name -> (lowest, highest, unit). Level: mean. Spread: standard deviation. Pace: rms velocity over spread.
jaw_gain, jaw_offset: the jaw opens by jaw_gain times what the articulating network gives this style, plus
jaw_offset."""

TRAITS: Final = tuple(TRAIT_RANGES)
"""Names of the traits in the order of `Traits.vector`."""
_PLACE = {name: index for index, name in enumerate(TRAITS)}

_LOW, _HIGH = (np.array([span[i] for span in TRAIT_RANGES.values()], np.float32) for i in (0, 1))
_COUNT = len(SIGNALS)
_TYPICAL_PACE = 3.5
_SQUINT = SIGNALS.index('squint')
_ENOUGH = 0.3
"""Share of frames outside blinks that suffices to tell what the eyes do then."""
_WIDE = [arkit_layout().index(f'eyeWide{side}') for side in ('Left', 'Right')]


@dataclass(frozen=True)
class Amounts:
    """Factors on the amount of movement, where 1 is that of the style: ``head``, ``brows`` (with squint), ``smile``
    (its variation), ``blinks`` (their rate), ``gaze`` (looking away). 0 keeps the part still."""

    head: float = 1.0
    brows: float = 1.0
    smile: float = 1.0
    blinks: float = 1.0
    gaze: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value <= 3:
                raise ConfigError(f'amount of {name} {value}; use 0 to 3')


@dataclass(frozen=True)
class Traits:
    """Values of `TRAITS`, clamped to their ranges: ``vector`` (40,) float32."""

    vector: Floats

    def __post_init__(self) -> None:
        vector = np.asarray(self.vector, np.float32).reshape(-1)
        if vector.shape != (len(TRAITS),):
            raise StyleError(f'{vector.size} traits; there are {len(TRAITS)}')
        if not np.isfinite(vector).all():
            raise StyleError('the traits hold NaN or infinite numbers; extract the style again')
        object.__setattr__(self, 'vector', np.clip(vector, _LOW, _HIGH))

    def __getitem__(self, name: str) -> float:
        return float(self.vector[_PLACE[name]])

    @property
    def level(self) -> Floats:
        """Mean of each signal (10,)."""
        return self.vector[:_COUNT]

    @property
    def spread(self) -> Floats:
        """Standard deviation of each signal (10,)."""
        return self.vector[_COUNT : 2 * _COUNT]

    @property
    def pace(self) -> Floats:
        """Root mean square velocity of each signal over its spread (10,), 1/s."""
        return self.vector[2 * _COUNT : 3 * _COUNT]

    def replaced(self, name: str, value: float) -> Traits:
        """Copy with one trait replaced."""
        vector = self.vector.copy()
        vector[_PLACE[name]] = value
        return Traits(vector)

    def scaled(self, amounts: Amounts) -> Traits:
        """Copy with scaled amounts of movement; levels do not change."""
        vector = self.vector.copy()
        factors = [amounts.head] * 3 + [amounts.brows] * 4 + [amounts.smile] + [1.0] * 2
        vector[_COUNT : 2 * _COUNT] *= np.array(factors, np.float32)
        for name, factor in (
            ('blink_rate', amounts.blinks), ('gaze_rate', min(amounts.gaze, 1.5)),
            ('gaze_yaw_spread', amounts.gaze), ('gaze_pitch_spread', amounts.gaze),
        ):  # fmt: skip
            vector[_PLACE[name]] *= factor
        return Traits(vector)

    def as_dict(self) -> dict[str, float]:
        """Name -> value, in order."""
        return {name: float(value) for name, value in zip(TRAITS, self.vector, strict=True)}


def measure_traits(motion: ArrayLike, fps: float) -> Traits:
    """Traits of ARKit motion (F, 55) with ``fps`` frames per second.

    Rates need a long clip: 10 s or more. ``jaw_gain`` is 1 and
    ``jaw_offset`` 0 here; `LoadedModel.style_of` sets them. Raises
    StyleError below 1 s.
    """
    values = np.asarray(motion, np.float32)
    if len(values) < fps:
        raise StyleError(f'{len(values) / fps:.2f} s of motion; traits need at least 1 s, best 10 s or more')
    signals = signals_of(values).astype(np.float64)
    # Velocity over two frames: this reduces the frame-to-frame noise of a tracker to a quarter.
    velocity = (signals[2:] - signals[:-2]) * (fps / 2)
    level, spread, speed = signals.mean(0), signals.std(0), np.sqrt((velocity**2).mean(0))
    blinks, open_ = blink_events(values, fps), eyes_open(values, fps)
    if open_.mean() > _ENOUGH:
        # In a tracker's scores, a blink causes more squint and downward gaze than anything else; it is not the style.
        level[_SQUINT], spread[_SQUINT] = signals[open_, _SQUINT].mean(), signals[open_, _SQUINT].std()
        steady = open_[2:] & open_[:-2]
        speed[_SQUINT] = np.sqrt((velocity[steady, _SQUINT] ** 2).mean()) if steady.any() else 0.0
    else:
        open_ = np.ones(len(values), bool)
    still = spread < np.where(np.arange(_COUNT) < 3, 1e-3, 4e-3)
    pace = np.where(still, _TYPICAL_PACE, speed / np.maximum(spread, 1e-6))
    minutes = len(values) / fps / 60
    durations = [blink.duration for blink in blinks]
    lids, gaze = lids_of(values).mean(1), gaze_of(values)[open_]
    eyes = [
        len(blinks) / minutes,
        float(np.median(durations)) if durations else 0.16,
        float(np.quantile(lids, 0.4)),
        float(values[:, _WIDE].mean()),
        len(gaze_changes(values, fps)) / minutes,
        *np.median(gaze, 0),
        *gaze.std(0),
        1.0,
        0.0,
    ]
    return Traits(np.concatenate([level, spread, pace, eyes]).astype(np.float32))
