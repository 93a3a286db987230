# SPDX-License-Identifier: Apache-2.0
"""Blinks and gaze as random events: a process draws time, depth and direction, frame by frame.

A network trained with a squared error would average events away, so no network generates them. The process is the
same during speech, pauses and idling. Its rates are the style's traits; sources of the figures: docs/alive.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, exp, pi
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.diffusion.noise import frame_uniform
from diffposetalk_ros.nonverbal.eye_measures import FULL_LOOK
from diffposetalk_ros.nonverbal.traits import Traits

__all__ = ['EYE_CHANNELS', 'EyeProcess']

EYE_CHANNELS: Final = tuple(
    f'eye{part}{side}'
    for part in ('Blink', 'Wide', 'LookIn', 'LookOut', 'LookUp', 'LookDown')
    for side in ('Left', 'Right')
)
"""Columns of what `EyeProcess.frame` returns."""

_BLINK, _SHAPE, _SACCADE, _AIM = 1, 2, 3, 4
"""Tags that keep the random numbers of each purpose apart."""
_REFRACTORY = 0.35
"""Seconds between two blinks at least, doubles excepted."""
_DOUBLE = 0.06
"""Share of blinks that are followed by a second one at once."""
_WITH_SACCADE = 0.25
"""Share of large gaze shifts that take a blink along."""
_PAUSE_GAIN, _SPEECH_GAIN = 2.4, 0.8
"""How much likelier than on average a blink is at the beginning of a pause, and otherwise."""
_PAUSE_SPAN = 0.5
_PARTIAL = 0.27
"""Share of blinks that do not shut the eye."""
_DURATION_SPREAD = 0.26
"""Standard deviation of the logarithm of a blink's duration."""
_FALL = 0.38
"""Share of a blink in which the lid falls: lids fall faster than they rise."""
_ON_LISTENER = 0.45
_VERGENCE = float(np.arctan(0.063 / 2 / 0.9))
"""Each eye turns inwards to a listener 0.9 m away, rad."""
_REFLEX = 0.85
"""Share of the head's movement that the eyes undo (vestibulo-ocular reflex): filmed speakers, who address
the camera, undo .98 of a turn and .79 of a nod."""
_POSTURE = 5.0
"""Seconds within which the eyes follow a head that stays turned."""
_LID_PER_SQUINT = 0.2
"""The upper lid comes down by this share of a squint (people: .15 as a tracker scores it)."""
_DIP = 0.03
"""The eye turns down during a blink, rad (Bour, Aramideh and Ongerboer de Visser 2000: 1 to 5 degrees)."""
_LINGER, _NEAR = 0.15, 0.1
"""A partial blink stays within _NEAR of its deepest point for _LINGER s at most: small movements of the lid are
short."""
_SACCADE_TIME = 0.05
_LEAK = 0.998
"""Share of a debt of events that is left after a frame: it is forgotten within 20 s."""
_HIDDEN = 1.25
"""Gaze shifts for each one that is seen: blinks and small aims hide the others."""
_VISIBLE = 0.07
"""Gaze shift (rad) that counts towards the gaze rate."""
_NORMAL = NormalDist()


@dataclass(frozen=True)
class _BlinkNow:
    """A blink in progress: middle of its closing s, duration at half depth s, depth 0 to 1."""

    time: float
    duration: float
    depth: float


@dataclass
class _State:
    frame: int = 0
    last_blink: float = -10.0
    blinks: tuple[_BlinkNow, ...] = ()
    paused: float = 10.0
    spoke: float = 10.0
    aim: tuple[float, float] = (0.0, 0.0)
    before: tuple[float, float] = (0.0, 0.0)
    since: float = -10.0
    head: tuple[float, float] = (0.0, 0.0)
    blink_debt: float = 0.0
    gaze_debt: float = 0.0


class EyeProcess:
    """Lids and gaze of one stream. `frame` is called once per frame, in order.

    ``seed`` and ``stream`` choose the random numbers; ``fps`` is the frame rate. The same calls give the same motion.
    `copy.copy` makes an independent process in the same state.
    """

    def __init__(self, seed: int, stream: int, fps: float) -> None:
        self._seed, self._stream, self._fps = seed, stream, fps
        self._state = _State()

    def __copy__(self) -> EyeProcess:
        other = object.__new__(EyeProcess)
        other.__dict__.update(self.__dict__, _state=replace(self._state))
        return other

    def frame(
        self, traits: Traits, head: NDArray[np.float32], speaking: float, brow: float, squint: float = 0.0
    ) -> NDArray[np.float32]:
        """Weights of `EYE_CHANNELS` (12,) of the next frame.

        Args:
            traits: rates and ranges.
            head: rotation (3,) of the head in this frame, rad.
            speaking: 1 while there is speech, 0 in a pause.
            brow: how far the brows are raised above their level, weight; it opens the eyes a little.
            squint: how far the eyes squint beyond their level, weight; it lowers the lids a little.
        """
        now = self._state.frame / self._fps
        self._observe(speaking, head)
        shift = self._look(now, traits)
        self._blink(now, traits, shift)
        gaze = self._gaze(now, traits, head)
        row = self._weights(now, traits, gaze, brow, squint)
        self._state.frame += 1
        return row

    def _uniform(self, tag: int) -> NDArray[np.float64]:
        return frame_uniform(self._seed, self._stream, tag, self._state.frame)

    def _observe(self, speaking: float, head: NDArray[np.float32]) -> None:
        state, step = self._state, 1 / self._fps
        quiet = speaking < 0.5
        # The reflex compensates head movement; the gaze follows a lasting posture within seconds.
        share = step / _POSTURE if state.frame else 1.0
        yaw, pitch = state.head
        state.paused = state.paused + step if quiet else 0.0
        state.spoke = 0.0 if quiet else state.spoke + step
        state.head = yaw + share * (float(head[1]) - yaw), pitch + share * (float(head[0]) - pitch)

    def _blink(self, now: float, traits: Traits, shift: float) -> None:
        state, rate = self._state, traits['blink_rate'] / 60
        state.blink_debt = debt = _LEAK * state.blink_debt + rate / self._fps
        chance = rate / self._fps * _urgency(debt)
        chance *= _PAUSE_GAIN if 0 < state.paused < _PAUSE_SPAN and now > 0.4 else _SPEECH_GAIN
        if now - state.last_blink < _REFRACTORY:
            chance = 0.0
        when, double, with_shift, _ = self._uniform(_BLINK)
        taken = shift > 0.12 and with_shift < _WITH_SACCADE * min(1.0, 4 * rate, _urgency(debt - 1.0))
        if when >= chance and not (taken and now - state.last_blink > 2 * _REFRACTORY):
            return
        first = self._drawn(now, traits, 0)
        blinks = (*(b for b in state.blinks if now - b.time < 1.0), first)
        if double < _DOUBLE:
            blinks += (self._drawn(now + 1.6 * first.duration + 0.16, traits, 1),)
        state.last_blink, state.blinks = blinks[-1].time, blinks
        state.blink_debt -= 1 + (double < _DOUBLE)

    def _drawn(self, now: float, traits: Traits, which: int) -> _BlinkNow:
        length, partial, depth, jitter = self._uniform(_SHAPE + 16 * which)
        duration = traits['blink_duration'] * float(np.exp(_DURATION_SPREAD * _NORMAL.inv_cdf(length)))
        shut = 1.0 if partial >= _PARTIAL else 0.42 + 0.26 * depth
        # Drooping lids have less distance to close; the blink must still be visible.
        shut = max(shut, min(1.0, 0.38 / max(0.96 - traits['lid_level'], 0.1)))
        way = shut * max(0.96 - traits['lid_level'], 0.2)
        if shut < 1:
            longest = _LINGER * np.pi / (2 * np.arccos(1 - 2 * _NEAR / max(way, _NEAR)))
            duration = min(0.9 * duration, float(longest))
        duration = float(np.clip(duration, 0.095, 0.35))
        return _BlinkNow(now + duration + jitter / self._fps, duration, shut)

    def _look(self, now: float, traits: Traits) -> float:
        """Begin a gaze shift at random; returns its size in rad."""
        state, rate = self._state, _HIDDEN * traits['gaze_rate'] / 60
        when, home, one, two = self._uniform(_SACCADE)
        # Not every draw is visible: some aims are near the current gaze.
        state.gaze_debt = debt = _LEAK * state.gaze_debt + rate / self._fps
        chance = 2.2 * rate / self._fps * _urgency(debt)
        turn_begins = 0 < state.spoke <= 1 / self._fps and now > 0.2
        turn_ends = 0 < state.paused - 0.24 <= 1 / self._fps
        settled = now - state.since > 0.16
        if turn_begins and one < min(0.7, 4 * rate):
            return self._shift(now, traits, away=True)
        if turn_ends and one < min(0.7, 4 * rate):
            return self._shift(now, traits, away=False)
        if settled and when < chance:
            on_listener = max(abs(state.aim[0]), abs(state.aim[1])) < 0.02
            back = _ON_LISTENER * (0.3 if on_listener else 1.5)
            return self._shift(now, traits, away=home >= back)
        return 0.0

    def _shift(self, now: float, traits: Traits, away: bool) -> float:
        state = self._state
        one, two, jitter, _ = (_NORMAL.inv_cdf(value) for value in self._uniform(_AIM))
        yaw_spread = _own_spread(traits['gaze_yaw_spread'], traits['head_yaw_spread'])
        pitch_spread = _own_spread(traits['gaze_pitch_spread'], traits['head_pitch_spread'])
        size = 1.25 if away else 0.08
        aim = (float(size * yaw_spread * one), float(size * pitch_spread * two))
        if away and np.hypot(*aim) < 0.5 * np.hypot(yaw_spread, pitch_spread):
            # A glance away must be visible: its direction is random, but its size is at least half of the spread.
            scale = 0.5 * np.hypot(yaw_spread, pitch_spread) / max(float(np.hypot(*aim)), 1e-6)
            aim = (aim[0] * scale, aim[1] * scale)
        distance = float(np.hypot(aim[0] - state.aim[0], aim[1] - state.aim[1]))
        visible = max(abs(aim[0] - state.aim[0]), abs(aim[1] - state.aim[1])) > _VISIBLE
        state.before, state.aim, state.since = state.aim, aim, now
        state.gaze_debt -= visible
        return distance

    def _gaze(self, now: float, traits: Traits, head: NDArray[np.float32]) -> tuple[float, float]:
        state = self._state
        part = _clipped((now - state.since) / _SACCADE_TIME, 0, 1)
        part = part * part * (3 - 2 * part)
        reflex = (_REFLEX * (float(head[1]) - state.head[0]), _REFLEX * (float(head[0]) - state.head[1]))
        yaw, pitch = (
            before + part * (aim - before) - undone
            for before, aim, undone in zip(state.before, state.aim, reflex, strict=True)
        )
        pitch += _DIP * self._closing(now)
        return yaw + traits['gaze_yaw'], pitch + traits['gaze_pitch']

    def _closing(self, now: float) -> float:
        return max((_lid(now - blink.time, blink) for blink in self._state.blinks), default=0.0)

    def _weights(
        self, now: float, traits: Traits, gaze: tuple[float, float], brow: float, squint: float
    ) -> NDArray[np.float32]:
        yaw, pitch = gaze
        left, right = (yaw - _VERGENCE) / FULL_LOOK, (yaw + _VERGENCE) / FULL_LOOK
        down, up = max(pitch, 0) / FULL_LOOK, max(-pitch, 0) / FULL_LOOK
        closing = self._closing(now)
        # The upper lid follows the eye down and up; brow and squint also move it a little.
        moved = 0.3 * down - 0.1 * max(brow, 0) + _LID_PER_SQUINT * squint
        level = _clipped(traits['lid_level'] + moved, 0, 1)
        lid = level + (0.96 - level) * closing
        wide = (traits['wide_level'] + 0.2 * up + 0.12 * max(brow, 0)) * (1 - closing)
        # 'In' of the left eye is to the subject's right.
        looks = (max(-left, 0), max(right, 0), max(left, 0), max(-right, 0), up, up, down, down)
        return np.array([_clipped(weight, 0, 1) for weight in (lid, lid, wide, wide, *looks)], np.float32)


def _clipped(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _own_spread(spread: float, head: float) -> float:
    """Deviation (rad) of the aims, given the ``spread`` of the eyes in the head including the reflex."""
    return float(np.sqrt(max(spread**2 - (_REFLEX * head) ** 2, (0.5 * spread) ** 2)))


def _urgency(debt: float) -> float:
    """Factor on the probability of an event when ``debt`` more events were due than occurred.

    It keeps the rates within seconds, whatever else triggers or prevents events."""
    return exp(_clipped(0.9 * debt, -2.5, 1.5))


def _lid(offset: float, blink: _BlinkNow) -> float:
    """How far a blink closes the lid ``offset`` s after its deepest moment, 0 to 1.

    Half-cosines down and up; their half-depth points lie ``duration`` apart.
    """
    span = 2 * blink.duration
    fall, rise = _FALL * span, (1 - _FALL) * span
    part = -offset / fall if offset < 0 else offset / rise
    return blink.depth * (0.5 + 0.5 * cos(pi * min(part, 1.0)))
