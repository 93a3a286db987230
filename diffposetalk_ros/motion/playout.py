# SPDX-License-Identifier: Apache-2.0
"""The face at a moment: frames of the timeline interpolated, and never a frozen face.

                    audio in time            frame late            utterance over
    IDLE ----------> SPEAKING <-----------> HOLDING ------------> EASING ----> IDLE
     ^   first frame     |      it comes       `--- hold is over ----^           (REST without idle)
     '------------------ interrupt: EASING, at rest within 0.2 s ----'

Where the source of motion changes (speech, idle, another strength) the difference to what was shown
last is kept as an offset that fades along a minimum-jerk curve: no jump, bounded velocity.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.layout import MotionLayout
from diffposetalk_ros.motion.idle import IdleMotion
from diffposetalk_ros.motion.rotation import (
    conjugate,
    multiply,
    quaternion_to_vector,
    slerp,
    vector_to_quaternion,
)
from diffposetalk_ros.streaming.timeline import MotionTimeline

__all__ = ['Playout', 'PlayoutConfig', 'PlayoutFrame', 'PlayoutState', 'RegionStrengths', 'region_of']

Row = NDArray[np.float64]
_NS = 1_000_000_000
_INTERRUPT = 0.15
"""Longest ease after an interrupt, s: the bar is 0.2 s, a tick of the slowest output rate is 0.1 s."""


class PlayoutState(IntEnum):
    """What drives the face; the numbers are those of FaceMotion.msg."""

    REST = 0
    IDLE = 1
    SPEAKING = 2
    HOLDING = 3
    EASING = 4


@dataclass(frozen=True)
class RegionStrengths:
    """Gain on the deviation from rest, per region of the face."""

    mouth: float = 1.0
    eyes: float = 1.0
    brows: float = 1.0
    cheeks: float = 1.0
    head: float = 1.0


@dataclass(frozen=True)
class PlayoutConfig:
    """Seconds. ``hold``: a late frame's predecessor stays so long. ``ease``: way to rest, after
    that or at the end. ``attack``: way from idle into speech. ``smoothing``: half-life of a low-pass
    on the output, 0 for none. ``idle``: blink, look and sway while nobody speaks."""

    hold: float = 0.12
    ease: float = 0.15
    attack: float = 0.08
    smoothing: float = 0.0
    idle: bool = True
    strengths: RegionStrengths = field(default_factory=RegionStrengths)

    def __post_init__(self) -> None:
        for name in ('hold', 'ease', 'attack', 'smoothing'):
            if not 0 <= getattr(self, name) <= 10:
                raise ConfigError(f'{name} {getattr(self, name)} s; use 0 to 10 s')


@dataclass(frozen=True)
class PlayoutFrame:
    """Motion (D,) float32 in the layout's units, what drives it, and the model frame it is nearest
    before (-1 when no speech plays)."""

    row: NDArray[np.float32]
    state: PlayoutState
    frame: int


def region_of(channel: str) -> str:
    """Field of `RegionStrengths` a channel belongs to; FLAME's expression counts as mouth."""
    for prefix, region in (
        ('head', 'head'),
        ('eye', 'eyes'),
        ('brow', 'brows'),
        ('cheek', 'cheeks'),
        ('nose', 'cheeks'),
    ):
        if channel.startswith(prefix):
            return region
    return 'mouth'


class Playout:
    """Time in, face out. Owned by the publishing thread; times are integers in ns, passed in.

    Args:
        timeline: frames in model space (D,).
        layout: meaning of the columns.
        mean, std: (D,) model space to the layout's units: x * std + mean.
        fps: frames per second of the timeline.
        config: see `PlayoutConfig`; replaced by `update`.
        idle: idle motion; None: the face stays at rest.
        rest: (D,) the neutral face in the layout's units, default zeros.
    """

    def __init__(
        self,
        timeline: MotionTimeline,
        layout: MotionLayout,
        mean: ArrayLike,
        std: ArrayLike,
        fps: float = 25.0,
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
        self._fps = fps
        self._idle = idle
        self._lower = np.array([channel.lower for channel in layout.channels])
        self._upper = np.array([channel.upper for channel in layout.channels])
        self.underflows = 0
        """Times a frame was not there when it was due."""
        self._revision = 0
        self._origin: int | None = None
        self._late_since: int | None = None
        self._held: Row | None = None
        self._source: tuple[str, int] | None = None
        self._epoch = -1
        self.update(config or PlayoutConfig())
        self.reset()

    @property
    def rest(self) -> NDArray[np.float32]:
        """The neutral face (D,)."""
        return self._rest.astype(np.float32)

    def update(self, config: PlayoutConfig) -> None:
        """New settings; a change of strength is faded in."""
        self.config = config
        self._gain = np.array(
            [getattr(config.strengths, region_of(name)) for name in self._layout.names], np.float64
        )
        self._revision += 1

    def play(self, epoch: int, origin: int) -> None:
        """Frame 0 of ``epoch`` is to be seen at ``origin`` (ns). Call again when the clock is adjusted."""
        self._epoch, self._origin = epoch, origin

    def interrupt(self) -> None:
        """Barge-in: play nothing more of what is in the timeline and go to rest quickly.

        The caller also starts a new epoch, so that nothing of the old one is generated.
        """
        self._origin = None
        self._hurry = True
        self._late_since = self._held = None
        if self._source is not None:
            # Not even an ease in progress may go on at its slower pace.
            self._source = ('interrupted', self._revision)

    def reset(self) -> None:
        """Forget what was shown: the next sample starts from rest or idle without a transition."""
        self._origin = None
        self._hurry = False
        self._late_since = self._held = self._source = None
        self._offset: Row = np.zeros(self._layout.width)
        self._fade_start = 0
        self._fade_length = 0.0
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
        speech, state, frame = self._speech(now)
        target = self._resting(now) if speech is None else speech
        target = self._rest + self._gain * (target - self._rest)
        source = ('idle' if speech is None else 'speech', self._revision)
        if self._shown is not None and self._source is not None and source != self._source:
            self._begin_fade(source, target)
        self._source = source
        row = self._clip(self._add_offset(self._smoothed(target, now), self._fade(now)))
        if speech is None:
            resting = PlayoutState.IDLE if self._idle_on else PlayoutState.REST
            state = PlayoutState.EASING if self._fade(now) > 0 else resting
        self._last, self._shown = now, row
        return PlayoutFrame(row.astype(np.float32), state, frame)

    @property
    def _idle_on(self) -> bool:
        return self._idle is not None and self.config.idle

    def _resting(self, now: int) -> Row:
        if self._idle is None or not self.config.idle or self._first is None:
            return self._rest
        return self._rest + self._idle.at((now - self._first) / _NS)

    def _speech(self, now: int) -> tuple[Row | None, PlayoutState, int]:
        """Motion that speech demands now, None when it demands nothing."""
        nothing = (None, PlayoutState.IDLE, -1)
        if self._origin is None:
            return nothing
        # Multiplied first, so that a frame's own time gives a whole number.
        position = (now - self._origin) * self._fps / _NS
        frame = int(np.floor(position))
        if frame < 0:
            return nothing
        held = self._timeline.at(frame)
        if held.epoch != self._epoch:
            return nothing
        first, second, part = held.first, held.second, position - frame
        if first is not None and (second is not None or part < 1e-6 or held.closed):
            self._late_since = None
            self._held = self._between(first, first if second is None else second, part)
            return self._held, PlayoutState.SPEAKING, frame
        if held.closed and frame >= held.end:
            return nothing
        return self._late(now, frame)

    def _late(self, now: int, frame: int) -> tuple[Row | None, PlayoutState, int]:
        # The first frame of an utterance is not missed before it was ever there.
        if self._held is None or self._source is None or self._source[0] != 'speech':
            return None, PlayoutState.IDLE, -1
        if self._late_since is None:
            self._late_since = now
            self.underflows += 1
        if now - self._late_since > self.config.hold * _NS:
            return None, PlayoutState.IDLE, -1
        return self._held, PlayoutState.HOLDING, frame

    def _between(self, first: ArrayLike, second: ArrayLike, part: float) -> Row:
        a = np.asarray(first, np.float64) * self._std + self._mean
        b = np.asarray(second, np.float64) * self._std + self._mean
        row = a + part * (b - a)
        head = self._layout.head_rotation
        if head is not None:
            row[head] = _slerp_vector(a[head], b[head], part)
        return row

    def _smoothed(self, target: Row, now: int) -> Row:
        half_life = self.config.smoothing
        if half_life <= 0 or self._smooth is None or self._last is None:
            self._smooth = target.copy()
            return self._smooth
        share = 1 - 0.5 ** ((now - self._last) / _NS / half_life)
        row: Row = self._smooth + share * (target - self._smooth)
        head = self._layout.head_rotation
        if head is not None:
            row[head] = _slerp_vector(self._smooth[head], target[head], share)
        self._smooth = row
        return row

    def _begin_fade(self, source: tuple[str, int], target: Row) -> None:
        """Remember how far the new target is from what was shown; the low-pass starts anew there."""
        assert self._shown is not None and self._last is not None
        self._smooth = None
        self._offset = self._shown - target
        head = self._layout.head_rotation
        if head is not None:
            turn = multiply(
                vector_to_quaternion(self._shown[head]), conjugate(vector_to_quaternion(target[head]))
            )
            self._offset[head] = quaternion_to_vector(turn)
        self._fade_start = self._last
        length = self.config.attack if source[0] == 'speech' else self.config.ease
        self._fade_length = min(length, _INTERRUPT) if self._hurry else length
        self._hurry = False

    def _fade(self, now: int) -> float:
        """Weight of the offset: 1 at the start of a fade, 0 at its end and after it."""
        if self._fade_length <= 0:
            return 0.0
        x = min((now - self._fade_start) / _NS / self._fade_length, 1.0)
        return 1 - x**3 * (10 - 15 * x + 6 * x * x)

    def _add_offset(self, row: Row, weight: float) -> Row:
        if weight <= 0:
            return row
        out = row + weight * self._offset
        head = self._layout.head_rotation
        if head is not None:
            turn = vector_to_quaternion(weight * self._offset[head])
            out[head] = quaternion_to_vector(multiply(turn, vector_to_quaternion(row[head])))
        return out

    def _clip(self, row: Row) -> Row:
        clipped: Row = np.clip(row, self._lower, self._upper)
        return clipped


def _slerp_vector(a: Row, b: Row, part: float) -> Row:
    return quaternion_to_vector(slerp(vector_to_quaternion(a), vector_to_quaternion(b), part))
