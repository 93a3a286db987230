# SPDX-License-Identifier: Apache-2.0
"""What a face does while nobody speaks: it blinks, looks around a little, and breathes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.layout import MotionLayout

__all__ = ['IdleConfig', 'IdleMotion']

_CELLS = 256
_CLOSE, _OPEN = 0.07, 0.15
"""Seconds the lids take to close and to open again."""
_SACCADE = 0.06


@dataclass(frozen=True)
class IdleConfig:
    """``blink_period``: mean seconds between blinks. ``gaze_period``: between glances. ``gaze``:
    largest weight of an eyeLook channel. ``sway``: head sway in rad. ``breath``: breaths per second."""

    blink_period: float = 4.0
    gaze_period: float = 2.2
    gaze: float = 0.25
    sway: float = 0.02
    breath: float = 0.22

    def __post_init__(self) -> None:
        if self.blink_period < 1 or self.gaze_period < 0.5:
            raise ConfigError(
                f'blink period {self.blink_period} s, gaze period {self.gaze_period} s; '
                'use at least 1 s and 0.5 s'
            )


class IdleMotion:
    """A function of time: the same seed and time give the same face, in any order of calls.

    Channels the layout lacks are left out (FLAME has no eyes: only the head moves). The mouth rests.
    """

    def __init__(self, layout: MotionLayout, seed: int = 0, config: IdleConfig | None = None) -> None:
        self.config = config or IdleConfig()
        self._layout = layout
        self._column = {name: i for i, name in enumerate(layout.names)}
        rng = np.random.default_rng(seed)
        # One blink, one glance per cell of time; the tables repeat after a quarter of an hour.
        self._blink_at = rng.uniform(0.1, 0.85, _CELLS)
        self._double = rng.random(_CELLS) < 0.15
        self._gaze = rng.normal(0, 0.45, (_CELLS, 2)).clip(-1, 1) * (rng.random((_CELLS, 1)) < 0.7)
        self._gaze_at = rng.uniform(0.1, 0.8, _CELLS)
        self._phase = rng.uniform(0, 2 * np.pi, (3, 3))
        self._frequency = rng.uniform(0.04, 0.17, (3, 3))

    def at(self, seconds: float) -> NDArray[np.float64]:
        """Motion (D,) in the layout's units, as a deviation from rest, at a time >= 0."""
        row = np.zeros(self._layout.width)
        blink = self._blink(seconds)
        self._set(row, 'eyeBlinkLeft', blink)
        self._set(row, 'eyeBlinkRight', blink)
        self._look(row, *self._gaze_now(seconds))
        if self._layout.head_rotation is not None:
            row[self._layout.head_rotation] = self._head(seconds)
        return row

    def _blink(self, seconds: float) -> float:
        period = self.config.blink_period
        cell = int(seconds // period)
        since = seconds - period * (cell + self._blink_at[cell % _CELLS])
        value = _lid(since)
        if self._double[cell % _CELLS]:
            value = max(value, _lid(since - 0.3))
        return value

    def _gaze_now(self, seconds: float) -> tuple[float, float]:
        period = self.config.gaze_period
        cell = int(seconds // period)
        into = seconds - period * (cell + self._gaze_at[cell % _CELLS])
        blend = _smooth(into / _SACCADE)
        before = self._gaze[(cell - 1) % _CELLS] if cell else np.zeros(2)
        now = before + blend * (self._gaze[cell % _CELLS] - before)
        return float(now[0]) * self.config.gaze, float(now[1]) * 0.6 * self.config.gaze

    def _look(self, row: NDArray[np.float64], left: float, up: float) -> None:
        """``left``: to the subject's left, where the left eye turns outwards."""
        self._set(row, 'eyeLookOutLeft', max(left, 0.0))
        self._set(row, 'eyeLookInRight', max(left, 0.0))
        self._set(row, 'eyeLookInLeft', max(-left, 0.0))
        self._set(row, 'eyeLookOutRight', max(-left, 0.0))
        for side in ('Left', 'Right'):
            self._set(row, f'eyeLookUp{side}', max(up, 0.0))
            self._set(row, f'eyeLookDown{side}', max(-up, 0.0))

    def _head(self, seconds: float) -> NDArray[np.float64]:
        waves = np.sin(2 * np.pi * self._frequency * seconds + self._phase).mean(axis=1)
        sway = self.config.sway * waves * np.array([1.0, 1.3, 0.6])
        sway[0] += 0.3 * self.config.sway * np.sin(2 * np.pi * self.config.breath * seconds)
        return np.asarray(sway)

    def _set(self, row: NDArray[np.float64], name: str, value: float) -> None:
        column = self._column.get(name)
        if column is not None:
            row[column] = value


def _smooth(x: float) -> float:
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)


def _lid(since: float) -> float:
    return _smooth(since / _CLOSE) * (1 - _smooth((since - _CLOSE) / _OPEN))
