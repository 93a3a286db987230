# SPDX-License-Identifier: Apache-2.0
"""The face at a given time: interpolates frames of the timeline and keeps the face moving in between.

                    audio in time            frame late            utterance over
    IDLE ----------> SPEAKING <-----------> HOLDING ------------> EASING ----> IDLE
     ^   first frame     |      it comes       `--- hold is over ----^           (REST without idle)
     '------------------ interrupt: EASING, at rest within 0.2 s ----'

When the source of motion changes (speech, idle, another strength), the difference from the last shown frame
becomes an offset that fades along a minimum-jerk curve. There is thus no jump, and the velocity is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.layout import MotionLayout
from diffposetalk_ros.motion.regions import RegionValues, by_column, region_of
from diffposetalk_ros.motion.rotation import quaternion_to_vector, slerp, vector_to_quaternion
from diffposetalk_ros.playout.idle import IdleMotion
from diffposetalk_ros.playout.interpolation import interpolate
from diffposetalk_ros.playout.presentation_clock import PresentationClock
from diffposetalk_ros.playout.timeline import FloatArray, MotionTimeline, TimelineFrames
from diffposetalk_ros.playout.transition import Transition
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['Playout', 'PlayoutConfig', 'PlayoutFrame', 'PlayoutState']

Row = NDArray[np.float64]
_INTERRUPT = 0.15
"""Longest ease of the mouth after an interrupt, s: the bar is 0.2 s, a tick of the slowest output rate 0.1 s."""
_SLOWER = RegionValues(mouth=1.0, eyes=1.0, brows=2.0, cheeks=1.5, head=4.0)
"""How many times as long as the mouth a region takes from one source of motion to another."""
_CORRECTION = 0.06
"""Way from a provisional frame to the final one, s."""


class PlayoutState(IntEnum):
    """What drives the face; the numbers are those of FaceMotion.msg."""

    REST = 0
    IDLE = 1
    SPEAKING = 2
    HOLDING = 3
    EASING = 4

    @property
    def label(self) -> str:
        """The name as people read it: 'rest', 'idle', 'speaking', 'holding', 'easing'."""
        return self.name.lower()


@dataclass(frozen=True)
class PlayoutConfig:
    """Times in seconds.

    ``hold``: how long the last frame stays when the next one is late. ``ease``: time in which the mouth then, or at
    the end, moves to rest. ``attack``: time in which it moves from idle into speech; brows and head take longer.
    ``smoothing``: half-life of a low-pass on the output, 0 for none. ``idle``: whether the face blinks, looks
    around and sways while nobody speaks."""

    hold: float = 0.12
    ease: float = 0.15
    attack: float = 0.08
    smoothing: float = 0.0
    idle: bool = True
    strengths: RegionValues = field(default_factory=RegionValues)

    def __post_init__(self) -> None:
        for name in ('hold', 'ease', 'attack', 'smoothing'):
            if not 0 <= getattr(self, name) <= 10:
                raise ConfigError(f'{name} {getattr(self, name)} s; use 0 to 10 s')


@dataclass(frozen=True)
class PlayoutFrame:
    """Motion (D,) float32 in the layout's units, what drives it, and the number of the last model frame at or
    before it (-1 when no speech plays)."""

    row: NDArray[np.float32]
    state: PlayoutState
    frame: int


class Playout:
    """Maps a time to a face. Owned by the publishing thread; times are integers in ns, passed in.

    Args:
        timeline: frames in model space (D,).
        layout: meaning of the columns.
        mean, std: (D,) model space to the layout's units: x * std + mean.
        config: see `PlayoutConfig`; replaced by `update`.
        idle: idle motion; None: the face stays at rest.
        rest: (D,) the neutral face in the layout's units, default zeros.

    ``clock`` tells which moment of which utterance to show; None: nobody speaks.
    """

    def __init__(
        self,
        timeline: MotionTimeline,
        layout: MotionLayout,
        mean: ArrayLike,
        std: ArrayLike,
        config: PlayoutConfig | None = None,
        idle: IdleMotion | None = None,
        rest: ArrayLike | None = None,
    ) -> None:
        self._timeline = timeline
        self._layout = layout
        self._mean, self._std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
        self._rest = np.zeros(layout.width) if rest is None else np.asarray(rest, np.float64)
        for name, array in (('mean', self._mean), ('std', self._std), ('rest', self._rest)):
            if array.shape != (layout.width,):
                raise ConfigError(f'{name} of shape {array.shape}; the layout has {layout.width} columns')
        self.clock: PresentationClock | None = None
        self._idle = idle
        self._lower = np.array([channel.lower for channel in layout.channels])
        self._upper = np.array([channel.upper for channel in layout.channels])
        self._late_since: int | None = None
        self._held: Row | None = None
        self._source: tuple[str, int, int] | None = None
        self._aim: Row | None = None
        self._raw: Row | None = None
        self._slower = by_column(_SLOWER, layout)
        self._mouth = np.array([region_of(name) == 'mouth' for name in layout.names])
        self._revision = 0
        self.update(config or PlayoutConfig())
        self.reset()

    @property
    def rest(self) -> NDArray[np.float32]:
        """The neutral face (D,)."""
        return self._rest.astype(np.float32)

    def update(self, config: PlayoutConfig) -> None:
        """New settings; a change of strength is faded in."""
        self.config = config
        self._gain = by_column(config.strengths, self._layout)
        self._revision += 1

    def as_shown(self, motion: ArrayLike) -> NDArray[np.float32]:
        """Frames (n, D) in model space -> (n, D) in the layout's units, with strengths applied: what `sample`
        shows at their time, apart from transitions and smoothing."""
        rows = np.asarray(motion, np.float64) * self._std + self._mean
        return np.clip(self._strengthened(rows), self._lower, self._upper).astype(np.float32)

    def interrupt(self) -> None:
        """Barge-in: stop playing the timeline and go to rest quickly.

        The caller also starts a new epoch, so that no more frames of the old one are generated.
        """
        self.clock = None
        self._hurry = True
        self._late_since = self._held = None
        if self._source is not None:
            # An ease in progress is slower, so it is replaced too.
            self._source = ('interrupted', self._revision, -1)

    def reset(self) -> None:
        """Forget what was shown: the next sample starts from rest or idle without a transition."""
        self.clock = None
        self._hurry = False
        self._late_since = self._held = self._source = None
        self._provisional = False
        self._aim = self._raw = None
        self._transition, self._correction = Transition(self._layout), Transition(self._layout)
        self._smooth: Row | None = None
        self._shown: Row | None = None
        self._last: int | None = None
        self._first: int | None = None

    def sample(self, now: int) -> PlayoutFrame:
        """The face at ``now`` (ns). Times must not run backwards by more than a tick; `reset` if
        the clock jumps."""
        if self._last is not None and now < self._last:
            now = self._last
        if self._first is None:
            self._first = now
        provisional = self._provisional
        speech, state, frame = self._speech(now)
        target = self._resting(now) if speech is None else speech
        target = self._strengthened(target)
        source = ('idle', self._revision, -1)
        if speech is not None:
            assert self.clock is not None, 'speech has a clock'
            source = ('speech', self._revision, self.clock.epoch)
        raw = target
        if source == self._source and speech is not None:
            target = self._corrected(target, now, provisional)
        elif self._shown is not None and self._source is not None and source != self._source:
            self._begin_transition(source, target)
        self._source, self._raw, self._aim = source, raw, target
        row = np.clip(self._transition.apply(self._smoothed(target, now), now), self._lower, self._upper)
        if speech is None:
            resting = PlayoutState.IDLE if self._idle_on else PlayoutState.REST
            easing = bool(self._transition.weight(now)[self._mouth].any())
            state = PlayoutState.EASING if easing else resting
        self._last, self._shown = now, row
        return PlayoutFrame(row.astype(np.float32), state, frame)

    def _strengthened(self, rows: Row) -> Row:
        return self._rest + self._gain * (rows - self._rest)

    @property
    def _idle_on(self) -> bool:
        return self._idle is not None and self.config.idle

    def _resting(self, now: int) -> Row:
        if self._idle is None or not self.config.idle or self._first is None:
            return self._rest
        return self._rest + self._idle.at((now - self._first) / NS_PER_SECOND)

    def _speech(self, now: int) -> tuple[Row | None, PlayoutState, int]:
        """Motion of the current speech, or None if there is none."""
        nothing = (None, PlayoutState.IDLE, -1)
        clock = self.clock
        if clock is None or (clock.standing and clock.moment(now) <= 0):
            return nothing
        position = clock.position(now)
        if position < -0.5:
            return nothing
        # Frame 0 also covers the first half of its sound.
        position = max(position, 0.0)
        frame = int(position)
        held = self._timeline.at(frame, provisional=True, epoch=clock.epoch)
        if held.epoch != clock.epoch:
            return nothing
        if (held.closed or held.waiting) and position >= held.last - 0.5:
            self._late_since = None
            return nothing
        row = self._row(held, position - frame)
        if row is None:
            return self._late(now, frame)
        self._late_since, self._held = None, row
        self._provisional = held.provisional and not held.closed
        return row, PlayoutState.SPEAKING, frame

    def _row(self, held: TimelineFrames, part: float) -> Row | None:
        """Motion at ``part`` (0 to 1) between the two frames of ``held``; None if one is not available yet."""
        first, second = held.first, held.second
        if first is None or (second is None and part >= 1e-6 and not (held.closed or held.waiting)):
            return None
        return self._between(held, first, first if second is None else second, part)

    def _late(self, now: int, frame: int) -> tuple[Row | None, PlayoutState, int]:
        """The due frame is not available yet: hold the last one, and go to rest if that takes too long."""
        if self._late_since is None:
            self._late_since = now
        speaking = self._source is not None and self._source[0] == 'speech'
        if not speaking or self._held is None or now - self._late_since > self.config.hold * NS_PER_SECOND:
            return None, PlayoutState.IDLE, -1
        return self._held, PlayoutState.HOLDING, frame

    def _between(self, held: TimelineFrames, first: FloatArray, second: FloatArray, part: float) -> Row:
        def row(frame: FloatArray) -> Row:
            return np.asarray(frame, np.float64) * self._std + self._mean

        a, b = row(first), row(second)
        # If a neighbour is not known, the curve is as straight as possible.
        before = 2 * a - b if held.before is None else row(held.before)
        after = 2 * b - a if held.after is None else row(held.after)
        return interpolate(before, a, b, after, part, self._layout.head_rotation)

    def _smoothed(self, target: Row, now: int) -> Row:
        half_life = self.config.smoothing
        if half_life <= 0 or self._smooth is None or self._last is None:
            self._smooth = target.copy()
            return self._smooth
        share = 1 - 0.5 ** ((now - self._last) / NS_PER_SECOND / half_life)
        row: Row = self._smooth + share * (target - self._smooth)
        head = self._layout.head_rotation
        if head is not None:
            row[head] = _slerp_vector(self._smooth[head], target[head], share)
        self._smooth = row
        return row

    def _corrected(self, target: Row, now: int, provisional: bool) -> Row:
        """``target``, with a smooth transition if the frames shown last have been generated again since."""
        if provisional and self.clock is not None and self._last is not None and self._aim is not None:
            assert self._raw is not None, 'set together'
            position = max(0.0, self.clock.position(self._last))
            frame = int(position)
            held = self._timeline.at(frame, provisional=True, epoch=self.clock.epoch)
            before = self._row(held, position - frame) if held.epoch == self.clock.epoch else None
            if before is not None and not np.array_equal(before := self._strengthened(before), self._raw):
                self._correction.begin(self._aim, before, self._last, np.full(len(before), _CORRECTION))
        return self._correction.apply(target, now)

    def _begin_transition(self, source: tuple[str, int, int], target: Row) -> None:
        """Start a transition from the last shown frame, and restart the low-pass there."""
        assert self._shown is not None and self._last is not None and self._source is not None
        self._smooth = None
        seconds = self._slower * (self.config.attack if source[0] == 'speech' else self.config.ease)
        if self._hurry:
            seconds = np.where(self._mouth, np.minimum(seconds, _INTERRUPT), seconds)
        self._hurry = False
        self._transition.begin(self._shown, target, self._last, seconds)


def _slerp_vector(a: Row, b: Row, part: float) -> Row:
    return quaternion_to_vector(slerp(vector_to_quaternion(a), vector_to_quaternion(b), part))
