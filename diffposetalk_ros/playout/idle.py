# SPDX-License-Identifier: Apache-2.0
"""Motion of the face while nobody speaks: it blinks, looks around a little, shifts its head and breathes.

If the model has a nonverbal network, the same network moves the face during speech and silence, in the style of the
speaker. There is thus no visible transition when speech begins. Otherwise only the head sways.

While a person speaks to it, the face nods (`listener_nods`) and looks at that person more of the time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.layout import MotionLayout
from diffposetalk_ros.nonverbal.stream import NonverbalStream
from diffposetalk_ros.nonverbal.traits import Amounts, Traits
from diffposetalk_ros.playout.interpolation import interpolate
from diffposetalk_ros.playout.listener_nods import ListenerNods

__all__ = ['IdleMotion']

_FPS: Final = 25.0
_SWAY: Final = 0.02  # rad
_BREATH: Final = 0.22  # Hz
_CALM: Final = Amounts(head=0.6, brows=0.6, smile=0.7, gaze=0.6)
"""What is left of a speaker's movement while nobody speaks: the eyes rest on the listener more of the time."""
_ATTENTIVE: Final = replace(_CALM, gaze=0.45)
"""The same while a person speaks: listeners look at the speaker 75 % of the time (Argyle and Cook 1976)."""
_NOD: Final = 5.0
"""Depth of a nod in spreads of the listener's head pitch: people who move their heads more also nod more deeply."""
_DEEPEST_NOD: Final = 0.14  # rad
_LONGEST_GAP: Final = 12
"""Largest number of skipped frames that are generated unseen. After a longer time, such as speech, the idle face
continues where it was, because catching up would block the publishing thread for 2 ms per frame."""


class IdleMotion:
    """Idle motion as a function of time. If time goes back by more than a frame, because the clock was set, the
    motion goes on where it was.

    ``nonverbal`` is a separate stream, over motion in the units of the layout; None: only the head sways.
    Channels that the layout lacks are left out. ``listening``: whether a person is speaking to the face; any
    thread may set it.
    """

    def __init__(self, layout: MotionLayout, seed: int = 0, nonverbal: NonverbalStream | None = None) -> None:
        self._layout = layout
        self._nonverbal = nonverbal
        self._wanted: tuple[Traits, Amounts] | None = None
        self._followed: tuple[tuple[Traits, Amounts] | None, bool] = (None, False)
        self.listening = False
        self._nods, self._nod_depth = ListenerNods(seed), _NOD * _SWAY
        self._smiles = [i for i, name in enumerate(layout.names) if name.startswith('mouthSmile')]
        rng = np.random.default_rng(seed)
        self._phase = rng.uniform(0, 2 * np.pi, (3, 3))
        self._frequency = rng.uniform(0.04, 0.17, (3, 3))
        self._rows: list[NDArray[np.float64]] = []
        self._first = 0
        self._skipped = 0.0

    def set_style(self, traits: Traits, amounts: Amounts) -> None:
        """Change the style or the amount of movement of the idle motion. Any thread may call this."""
        self._wanted = traits, amounts

    def at(self, seconds: float) -> NDArray[np.float64]:
        """Motion (D,) in the layout's units, as a deviation from rest, at a time >= 0."""
        wanted, listening = self._wanted, self.listening
        if wanted is not self._followed[0] or listening != self._followed[1]:
            self._follow(wanted, listening)
        row = self._moved(seconds)
        if self._layout.head_rotation is not None:
            row[self._layout.head_rotation.start] += self._nods.at(seconds, listening, self._nod_depth)
        return row

    def _follow(self, wanted: tuple[Traits, Amounts] | None, listening: bool) -> None:
        self._followed = wanted, listening
        if self._nonverbal is None or wanted is None:
            return
        traits, amounts = wanted
        traits = traits.scaled(_ATTENTIVE if listening else _CALM)
        self._nonverbal.traits, self._nonverbal.amounts = traits, amounts
        self._nod_depth = min(_NOD * traits.scaled(amounts)['head_pitch_spread'], _DEEPEST_NOD)

    def _moved(self, seconds: float) -> NDArray[np.float64]:
        if self._nonverbal is None:
            return self._sway(seconds)
        position = seconds * _FPS - self._skipped
        known = self._first + len(self._rows)
        jump = 0.0
        if position < self._first:  # the clock was set back
            jump = position - (self._first + 1)
        elif position > known + _LONGEST_GAP:
            jump = position - known
        self._skipped, position = self._skipped + jump, position - jump
        frame = max(int(position), self._first)
        while self._first + len(self._rows) < frame + 4:
            self._rows.append(self._next_row(self._nonverbal))
        drop = frame - 1 - self._first
        if drop > 0:
            self._rows, self._first = self._rows[drop:], self._first + drop
        at = frame - self._first
        before, first, second, after = (self._rows[max(at + k, 0)] for k in (-1, 0, 1, 2))
        part = float(np.clip(position - frame, 0, 1))
        return interpolate(before, first, second, after, part, self._layout.head_rotation)

    def _next_row(self, nonverbal: NonverbalStream) -> NDArray[np.float64]:
        resting = np.zeros((1, self._layout.width), np.float32)
        resting[:, self._smiles] = nonverbal.traits['smile_level']
        row: NDArray[np.float64] = nonverbal.frames(resting)[0].astype(np.float64)
        return row

    def _sway(self, seconds: float) -> NDArray[np.float64]:
        row = np.zeros(self._layout.width)
        if self._layout.head_rotation is not None:
            waves = np.sin(2 * np.pi * self._frequency * seconds + self._phase).mean(axis=1)
            sway = _SWAY * waves * np.array([1.0, 1.3, 0.6])
            sway[0] += 0.3 * _SWAY * np.sin(2 * np.pi * _BREATH * seconds)
            row[self._layout.head_rotation] = sway
        return row
