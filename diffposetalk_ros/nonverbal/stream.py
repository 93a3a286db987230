# SPDX-License-Identifier: Apache-2.0
"""Nonverbal motion of a stream: sound in, head, brows, eyes and smile out, frame by frame.

Articulation comes from the denoiser; this module adds the other motion. A frame depends on the sound up to 80 ms
after it, on seed and stream, and on the traits. It does not depend on how the sound was cut into pieces.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.audio.logmel import MEL_PER_FRAME, LogMelStream
from diffposetalk_ros.diffusion.noise import FrameNoise
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.nonverbal.blinks_and_gaze import EYE_CHANNELS, EyeProcess
from diffposetalk_ros.nonverbal.jaw import open_jaw
from diffposetalk_ros.nonverbal.marginals import Marginals, pace_behind
from diffposetalk_ros.nonverbal.network import (
    BLOCK,
    HIDDEN,
    TARGET,
    NonverbalNetwork,
    audio_summary,
    expected,
    inputs_of,
)
from diffposetalk_ros.nonverbal.signals import SIGNALS, apply_signals
from diffposetalk_ros.nonverbal.smile import spread_as_smile
from diffposetalk_ros.nonverbal.spline import FRAMES_PER_KNOT, frames_of_knot
from diffposetalk_ros.nonverbal.traits import Amounts, Traits

__all__ = ['NonverbalStream']

Floats = NDArray[np.float32]

_WIDTH = len(SIGNALS)
_JAW = [arkit_layout().index(name) for name in ('jawOpen', 'mouthClose')]
_EYES = [arkit_layout().index(name) for name in EYE_CHANNELS]
_BROW, _SQUINT = SIGNALS.index('brow_outer'), SIGNALS.index('squint')
_BLINK_SQUINT: Final = 0.2
"""Squint of a lid that shuts: the lower lid comes up a little (people: .4 as a tracker scores it)."""
_KEPT = 5 + BLOCK
"""Knots kept: five shape a frame, a block may lie ahead of it."""
_STREAM_TAG = 0x6E76
"""Keeps the noise of this network apart from the denoiser's."""
_SPEECH_LEVEL: Final = -1.1
"""Mean normalised log mel above which a frame counts as speech."""
_SPEECH_FRAMES: Final = 5
_FOLLOW: Final = 0.18
"""Share of the way to new traits that a frame goes: a change of style takes about 0.3 s more than its transition."""
_LIMIT: Final = 4.5
"""Spreads a signal may leave its level by."""


@dataclass
class _Knots:
    """State of the network: hidden (160,), the last knots (8, 10) and how many there have been."""

    hidden: Floats
    last: Floats
    count: int


class NonverbalStream:
    """One stream of one avatar. Feed sound, then ask for frames in order.

    Args:
        network: see `NonverbalNetwork`.
        mean, std: (55,) motion of the denoiser is x * std + mean in the units of the layout.
        traits: traits of the style; they and ``amounts`` may be replaced at any time, the face follows smoothly.
        seed, stream: choose the random numbers.
        steps: diffusion steps of a block of three knots.

    ARKit motion at 25 frames/s only. `copy.copy` gives an independent stream in the same state.
    """

    def __init__(
        self,
        network: NonverbalNetwork,
        traits: Traits,
        mean: Floats,
        std: Floats,
        seed: int = 0,
        stream: int = 0,
        steps: int = 8,
    ) -> None:
        self._network, self._steps = network, steps
        self._mean, self._std = mean, std
        self.traits, self.amounts = traits, Amounts()
        self._seed = seed
        self.reset(stream)

    def reset(self, stream: int, seed: int | None = None) -> None:
        """Start a new utterance at frame 0, with the same traits; ``stream`` and ``seed`` choose the random
        numbers.
        """
        self._seed = seed = self._seed if seed is None else seed
        self._aim: tuple[Traits, Amounts, Floats] | None = None
        self._shown = self._wanted()
        self._person: tuple[Traits, Marginals] | None = None
        self._noise = FrameNoise(seed, (stream ^ _STREAM_TAG) & 0xFFFFFFFF, TARGET)
        self._eyes = EyeProcess(seed, (stream ^ _STREAM_TAG) & 0xFFFFFFFF, 25.0)
        self._mel_stream = LogMelStream()
        self._silent: dict[int, Floats] = {}
        self._mel = np.zeros((0, 64), np.float32)
        self._first_mel = 0
        self._pending = np.zeros(0, np.float32)
        self._knots = _Knots(np.zeros(HIDDEN, np.float32), np.zeros((_KEPT, _WIDTH), np.float32), 3)
        self._gain = self._network.gain(self._pace())
        self._gain_wanted = self._gain
        self._frame = 0
        self._loud = -_SPEECH_FRAMES

    def __copy__(self) -> NonverbalStream:
        other = object.__new__(NonverbalStream)
        other.__dict__.update(self.__dict__)
        other._mel_stream, other._eyes, other._knots = (
            copy(self._mel_stream),
            copy(self._eyes),
            copy(self._knots),
        )
        other._noise = copy(self._noise)
        return other

    def feed(self, samples: Floats) -> None:
        """Add (n,) samples at 16 kHz."""
        joined = np.concatenate([self._pending, np.asarray(samples, np.float32)])
        whole = len(joined) // 640 * 640
        self._pending = joined[whole:]
        if whole:
            self._silent = {}
            self._mel = np.concatenate([self._mel, self._mel_stream.push(joined[:whole])])

    def frames(self, articulated: Floats, ahead: int = 0) -> Floats:
        """The next n frames: ``articulated`` (n, 55), as the denoiser makes it, with nonverbal motion.

        Sound that was not fed counts as silence. The last ``ahead`` frames are a look ahead: they do not change the
        state of the stream. Blocks that have not been drawn are not drawn for them, because they would be drawn twice
        and without the sound that is still to arrive. The movement is continued in a straight line instead.
        """
        if not len(articulated):
            return np.zeros((0, len(self._mean)), np.float32)
        articulated = articulated * self._std + self._mean
        made = [self._next_frame() for _ in range(len(articulated) - ahead)]
        if ahead:
            other = copy(self)
            other._go_straight_on(ahead)
            made += [other._next_frame() for _ in range(ahead)]
        for frame, (traits, _, _) in zip(articulated, made, strict=True):
            jaw, close = (float(frame[column]) for column in _JAW)
            frame[_JAW] = open_jaw(jaw, close, traits['jaw_gain'], traits['jaw_offset'])
        signals = [row for _, row, _ in made]
        eyes = [lids for _, _, lids in made]
        levels = [traits.level for traits, _, _ in made]
        out = spread_as_smile(apply_signals(articulated, np.stack(signals), np.stack(levels)))
        out[:, _EYES] = np.stack(eyes)
        return np.asarray((out - self._mean) / self._std, np.float32)

    def _go_straight_on(self, frames: int) -> None:
        """Extrapolate the knots that are missing for the next ``frames`` frames."""
        knots = self._knots
        lacking = (self._frame + frames - 1) // FRAMES_PER_KNOT + 3 - knots.count
        if lacking > 0:
            ahead = expected(knots.last[-1], knots.last[-1] - knots.last[-2])[:lacking]
            self._knots = _Knots(
                knots.hidden, np.concatenate([knots.last, ahead])[-_KEPT:], knots.count + len(ahead)
            )

    def _next_frame(self) -> tuple[Traits, Floats, Floats]:
        """Traits shown now, signals (10,) and weights of `EYE_CHANNELS` (12,) of the next frame."""
        block = self._frame // FRAMES_PER_KNOT
        while self._knots.count < block + 3:
            self._next_block()
        traits, marginals = self._follow()
        stop = len(self._knots.last) - (self._knots.count - block - 3)
        self._gain = self._gain + np.float32(_FOLLOW) * (self._gain_wanted - self._gain)
        place = self._network.calibrated(frames_of_knot(self._knots.last[stop - 5 : stop]), self._gain)
        position = np.clip(place[self._frame % FRAMES_PER_KNOT], -_LIMIT, _LIMIT)
        signals = marginals.weights(position)
        away = signals - traits.level
        eyes = self._eyes.frame(
            traits, signals[:3], self._speaking(), float(away[_BROW]), float(away[_SQUINT])
        )
        shut = (eyes[0] - traits['lid_level']) / (1 - traits['lid_level'])
        signals[_SQUINT] += _BLINK_SQUINT * max(float(shut), 0.0) * (1 - signals[_SQUINT])
        self._frame += 1
        self._drop_mel()
        return traits, signals, eyes

    def _follow(self) -> tuple[Traits, Marginals]:
        """Move the traits shown towards those wanted; returns them, and what depends on nothing else."""
        shown = self._shown + np.float32(_FOLLOW) * (self._wanted() - self._shown)
        if self._person is None or (shown != self._shown).any():
            traits = Traits(shown)
            self._person = traits, Marginals(traits.level, traits.spread)
        self._shown = shown
        return self._person

    def _wanted(self) -> Floats:
        """Traits (40,) to follow. They are scaled again only after a change, because every frame asks for them."""
        aim = self._aim
        if aim is None or aim[0] is not self.traits or aim[1] is not self.amounts:
            self._aim = aim = self.traits, self.amounts, self.traits.scaled(self.amounts).vector
        return aim[2]

    def _pace(self) -> Floats:
        """Pace that the network must draw for the current style, limited to its training range."""
        shown = Traits(self._shown)
        return self._network.learned_pace(pace_behind(shown.pace, shown.level, shown.spread))

    def _next_block(self) -> None:
        """Draw the next three knots, using the sound up to the beginning of the first one."""
        knots = self._knots
        block = knots.last[-BLOCK:]
        velocity = block[-1] - block[-2]
        pace = self._pace()
        self._gain_wanted = self._network.gain(pace)
        sound = np.stack([self._audio(knots.count - BLOCK + k) for k in range(BLOCK)])
        hidden = self._network.context(knots.hidden, inputs_of(block, velocity, pace, sound))
        noise = self._noise.step(0, knots.count, knots.count + 1)[0]
        target = self._network.sample(hidden, noise, self._steps) * self._network.scale(pace)
        new = expected(block[-1], velocity) + target.reshape(BLOCK, _WIDTH)
        # If the state has drifted out of the training range, the movement is pulled back.
        new = np.where(np.abs(new) > _LIMIT, 0.9 * block[-1], new)
        self._knots = _Knots(
            hidden, np.concatenate([knots.last, new.astype(np.float32)])[-_KEPT:], knots.count + BLOCK
        )

    def _audio(self, knot: int) -> Floats:
        """Audio input of the network around a knot: mel frames [8 knot - 4, 8 knot + 4)."""
        size = MEL_PER_FRAME * FRAMES_PER_KNOT
        return audio_summary(self._mel_rows(size * knot - MEL_PER_FRAME, size * knot + MEL_PER_FRAME))

    def _mel_rows(self, start: int, stop: int) -> Floats:
        rows = np.arange(start, stop) - self._first_mel
        if rows[-1] >= len(self._mel):
            self._mel = np.concatenate([self._mel, self._silence(rows[-1] + 1 - len(self._mel))])
        return self._mel[np.maximum(rows, 0)]

    def _silence(self, rows: int) -> Floats:
        """Audio input of the stream if silence follows."""
        if rows not in self._silent:  # an idle face asks for the same again and again
            self._silent[rows] = copy(self._mel_stream).push(np.zeros(160 * rows, np.float32))
        return self._silent[rows]

    def _speaking(self) -> float:
        start = MEL_PER_FRAME * self._frame
        if self._mel_rows(start, start + 2 * MEL_PER_FRAME).mean(1).max() > _SPEECH_LEVEL:
            self._loud = self._frame
        return float(self._frame - self._loud < _SPEECH_FRAMES)

    def _drop_mel(self) -> None:
        # The next block uses the sound from three frames before its first one.
        keep = MEL_PER_FRAME * (self._frame - 4)
        if keep - self._first_mel > 400:
            self._mel = self._mel[keep - self._first_mel :]
            self._first_mel = keep
