# SPDX-License-Identifier: Apache-2.0
"""Compare lip closures with the phones of the speech.

The phones come from an aligner that does not see the motion. Every figure has a chance level: the same
motion, shifted circularly against the speech.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.training.animator.sounds import BILABIALS, base_of
from diffposetalk_ros.training.animator.visemes import split_phones
from diffposetalk_ros.training.corpus.alignment import PAUSE, Phone

__all__ = ['Closure', 'ClosureConfig', 'ClosureScore', 'bilabials', 'closure_score', 'find_closures']

Floats = NDArray[np.floating]
Spans = Sequence[tuple[float, float]]

_FLAT = 0.05  # mm
_RESTING_PAUSE = 0.18  # s; in shorter pauses a mouth does not come to rest


@dataclass(frozen=True)
class ClosureConfig:
    """What counts as closed lips, and as on time.

    ``threshold`` mm: an opening below it is closed. ``reopening`` mm: the opening must rise by this
    between two closures, else they are one. ``tolerance`` s between a closure and the middle of a
    bilabial. ``shifts`` circular shifts make the chance level.
    """

    threshold: float = 1.5
    reopening: float = 0.5
    tolerance: float = 0.08
    shifts: int = 50
    seed: int = 0


@dataclass(frozen=True)
class Closure:
    """Closed lips: the interval (s) and the moment of the smallest opening.

    ``at_pause`` marks a closure that begins or ends in a pause. Lips rest closed there, so it may match
    a bilabial but never counts as false.
    """

    start: float
    end: float
    time: float
    at_pause: bool


@dataclass(frozen=True)
class ClosureScore:
    """Counts that add up over clips: bilabials, those met, closures judged, those right.

    ``chance_met`` and ``chance_right`` are means over circular shifts; ``chance_closures`` the mean
    number of closures judged under them.
    """

    bilabials: int = 0
    met: int = 0
    closures: int = 0
    right: int = 0
    chance_met: float = 0.0
    chance_closures: float = 0.0
    chance_right: float = 0.0

    def __add__(self, other: ClosureScore) -> ClosureScore:
        return ClosureScore(*(getattr(self, n) + getattr(other, n) for n in self.__annotations__))

    @property
    def recall(self) -> float:
        """Share of bilabials at which the lips close; NaN without bilabials."""
        return self.met / self.bilabials if self.bilabials else float('nan')

    @property
    def precision(self) -> float:
        """Share of closures during speech that belong to a bilabial; NaN without closures."""
        return self.right / self.closures if self.closures else float('nan')

    @property
    def chance_recall(self) -> float:
        """Recall of the same motion at wrong times."""
        return self.chance_met / self.bilabials if self.bilabials else float('nan')

    @property
    def chance_precision(self) -> float:
        """Precision of the same motion at wrong times."""
        return self.chance_right / self.chance_closures if self.chance_closures else float('nan')


def bilabials(phones: Sequence[Phone], spans: Spans | None = None) -> NDArray[np.float64]:
    """Middles (s) of the stretches of /p b m/; phones that touch make one gesture.

    ``spans`` keeps those whose middle lies in a trusted span.
    """
    runs: list[list[float]] = []
    for start, end, sound in split_phones(phones):
        if base_of(sound) in BILABIALS:
            if runs and start - runs[-1][1] < 1e-3:
                runs[-1][1] = end
            else:
                runs.append([start, end])
    middles = np.array([(a + b) / 2 for a, b in runs], np.float64)
    return middles[_trusted(middles, spans)]


def _trusted(times: Floats, spans: Spans | None) -> NDArray[np.bool_]:
    if spans is None:
        return np.ones(len(times), bool)
    inside = np.zeros(len(times), bool)
    for start, end in spans:
        inside |= (times >= start) & (times <= end)
    return inside


def _speech(phones: Sequence[Phone], frames: int, fps: float) -> NDArray[np.bool_]:
    """Frames whose middle lies between the first phone and the last and in no resting pause."""
    middles = (np.arange(frames) + 0.5) / fps
    spoken = [(start, end) for start, end, name in phones if name != PAUSE]
    speech = np.zeros(frames, bool)
    if spoken:
        speech |= (middles >= spoken[0][0]) & (middles < spoken[-1][1])
        for (_, end), (start, _) in zip(spoken, spoken[1:], strict=False):
            if start - end >= _RESTING_PAUSE:
                speech &= (middles < end) | (middles >= start)
    return speech


def find_closures(
    opening: Floats, phones: Sequence[Phone], fps: float, config: ClosureConfig | None = None
) -> list[Closure]:
    """Closures during speech in lip openings (T,), mm.

    A closure begins below the threshold and lasts until the opening has risen by ``reopening``; its
    time is the middle of the frames within 0.05 mm of its smallest opening. Each stretch of speech
    between resting pauses (0.18 s and longer) is searched by itself.
    """
    config = config or ClosureConfig()
    speech = np.concatenate([[False], _speech(phones, len(opening), fps), [False]])
    borders = np.flatnonzero(np.diff(speech.astype(np.int8)))
    found = []
    for first, last in zip(borders[::2], borders[1::2], strict=True):
        found += _closures_of_stretch(np.asarray(opening[first:last], np.float64), int(first), fps, config)
    return found


def _closures_of_stretch(
    opening: NDArray[np.float64], offset: int, fps: float, config: ClosureConfig
) -> list[Closure]:
    """Follow the lips with hysteresis: shut below the threshold, open again after a reopening."""
    closures: list[Closure] = []
    begin: int | None = None
    lowest, highest = 0.0, np.inf
    for frame, now in enumerate([*opening, np.inf]):
        if begin is None:
            highest = max(highest, now)
            if now < config.threshold and highest - now >= config.reopening:
                begin, lowest = frame, now
        elif now > lowest + config.reopening:
            piece = opening[begin:frame]
            bottom = begin + np.flatnonzero(piece <= lowest + _FLAT)
            middle = (bottom[0] + bottom[-1] + 1) / 2
            last = begin + int(np.flatnonzero(piece < config.threshold)[-1]) + 1
            edges = ((begin + offset) / fps, (last + offset) / fps, (middle + offset) / fps)
            closures.append(Closure(*edges, begin == 0 or last == len(opening)))
            begin, highest = None, now
        else:
            lowest = min(lowest, now)
    return closures


def _count(
    opening: Floats, phones: Sequence[Phone], fps: float, spans: Spans | None, config: ClosureConfig
) -> ClosureScore:
    closures = find_closures(opening, phones, fps, config)
    targets = bilabials(phones, spans)
    times = np.array([c.time for c in closures])
    free = np.array([not c.at_pause for c in closures], bool)
    judged = free & _trusted(times, spans) if len(times) else free
    if not len(times) or not len(targets):
        return ClosureScore(len(targets), 0, int(judged.sum()), 0)
    near = np.abs(targets[:, None] - times[None]) <= config.tolerance + 1e-9
    return ClosureScore(
        len(targets),
        int(near.any(axis=1).sum()),
        int(judged.sum()),
        int((near.any(axis=0) & judged).sum()),
    )


def closure_score(
    opening: Floats,
    phones: Sequence[Phone],
    fps: float = 25.0,
    spans: Spans | None = None,
    config: ClosureConfig | None = None,
) -> ClosureScore:
    """Closures of lip openings (T,), mm, against the /p b m/ of the phones.

    Recall: bilabials with a closure within the tolerance of their middle. Precision: closures
    during speech and not touching a pause that lie so near a bilabial. ``spans`` (s) limits both to
    the seconds whose phones are trusted. Chance: the same after circular shifts of the openings
    within the time from the first phone to the last, by at least 0.2 s.
    """
    config = config or ClosureConfig()
    score = _count(opening, phones, fps, spans, config)
    speech = np.flatnonzero(_speech(phones, len(opening), fps))
    least = int(np.ceil(0.2 * fps))
    if not len(speech) or speech[-1] + 1 - speech[0] <= 2 * least or not config.shifts:
        return score
    first, last = int(speech[0]), int(speech[-1]) + 1
    rng = np.random.default_rng(config.seed)
    total = ClosureScore()
    for shift in rng.integers(least, last - first - least + 1, config.shifts):
        moved = np.array(opening, np.float64)
        moved[first:last] = np.roll(moved[first:last], int(shift))
        total += _count(moved, phones, fps, spans, config)
    return replace(
        score,
        chance_met=total.met / config.shifts,
        chance_closures=total.closures / config.shifts,
        chance_right=total.right / config.shifts,
    )
