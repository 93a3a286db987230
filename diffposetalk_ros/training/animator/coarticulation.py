# SPDX-License-Identifier: Apache-2.0
"""Converts timed phonemes to smooth articulator trajectories, and finds the moments at which the lips must meet.

A trajectory is the dominance-weighted mean of all targets. The weight of a segment is the integral
of a bell (sech^2, exponential flanks as in Cohen and Massaro's dominance functions) over its
duration. That integral is a difference of tanh, so the trajectory is exact in continuous time and
is evaluated only at the frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.training.animator.sounds import (
    ARTICULATORS,
    BILABIALS,
    LABIODENTALS,
    PAUSE,
    base_of,
    sounds,
)
from diffposetalk_ros.training.animator.visemes import VISEMES, Phone, segments, split_phones

__all__ = [
    'Floats', 'articulate', 'bite_gate', 'closure_gate', 'frame_times', 'lip_closure_spans',
    'pause_spans',
    'rest_gate', 'viseme_targets',
]  # fmt: skip

Floats = NDArray[np.float32]

# Half-width (s) of the bell of each articulator. The jaw and the protrusion are slow; the lips and
# the tongue tip are fast. The articulators of a group share one tanh table.
_WIDTHS: Final = {
    0.052: ('jaw',),
    0.058: ('pucker', 'funnel', 'stretch'),
    0.034: ('close', 'bite', 'tongue', 'teeth', 'upper', 'lower', 'dental'),
}
_LEAD: Final = {0.052: 0.005, 0.058: 0.020, 0.034: 0.0}  # s by which a group leads the sound
_GROUPS: Final = tuple(
    (width, _LEAD[width], [ARTICULATORS.index(name) for name in names]) for width, names in _WIDTHS.items()
)

_MINIMUM_CLOSURE = 0.046  # s; longer than a 25 fps frame, so that every closure covers a frame centre
_CLOSURE_RAMP = 0.045
_RESTING_PAUSE = 0.18  # s; shorter pauses do not bring the lips together


def frame_times(frames: int, fps: float = 25.0) -> Floats:
    """Centre of each frame in seconds, shape (frames,)."""
    return ((np.arange(frames) + 0.5) / fps).astype(np.float32)


def articulate(phones: Sequence[Phone], times: Floats, softness: float = 1.0) -> Floats:
    """Articulator positions 0..1, shape (len(times), 11), columns ARTICULATORS.

    times in s; softness stretches the bells (1 normal, above 1 slurred, below 1 crisp).
    """
    laid = segments(phones)
    weighted = laid.weight * laid.target
    out = np.empty((len(times), len(ARTICULATORS)), np.float32)
    for width, lead, columns in _GROUPS:
        offset = laid.edges[None, :] - (times + np.float32(lead))[:, None]
        share = np.diff(np.tanh(offset * np.float32(1.0 / (width * softness))), axis=1)
        out[:, columns] = (share @ weighted[:, columns]) / (
            share @ laid.weight[:, columns] + np.float32(1e-6)
        )
    return out


def lip_closure_spans(phones: Sequence[Phone]) -> list[tuple[float, float]]:
    """Start and end (s) of every lip closure: the spans of /p b m/, neighbours merged."""
    spans: list[tuple[float, float]] = []
    for start, end, sound in split_phones(phones):
        if base_of(sound) in BILABIALS:
            if spans and start - spans[-1][1] < 0.01:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((start, end))
    return spans


def pause_spans(phones: Sequence[Phone], duration: float) -> list[tuple[float, float]]:
    """Stretches of 0..duration (s) without speech, at least 0.18 s long."""
    spans, now = [], 0.0
    for start, end, label in phones:
        if sounds(label) == (PAUSE,):
            continue
        if start - now >= _RESTING_PAUSE:
            spans.append((now, start))
        now = max(now, end)
    if duration - now >= _RESTING_PAUSE:
        spans.append((now, duration))
    return spans


def _gate(spans: Sequence[tuple[float, float]], times: Floats, ramp_in: float, ramp_out: float) -> Floats:
    """1 inside the spans, cosine ramps of the given lengths (s) outside, shape (len(times),)."""
    if not spans:
        return np.zeros(len(times), np.float32)
    bounds = np.array(spans, np.float32)
    before = np.clip((bounds[:, 0, None] - times) / np.float32(ramp_in), 0, 1)
    after = np.clip((times - bounds[:, 1, None]) / np.float32(ramp_out), 0, 1)
    distance = np.maximum(before, after).min(axis=0)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * distance), np.float32)


def _held(start: float, end: float, release: float) -> tuple[float, float]:
    """The part of a closure that is held, without its release but never shorter than a frame."""
    stop = end - release * (end - start)
    missing = max(0.0, _MINIMUM_CLOSURE - (stop - start)) / 2
    return start - missing, stop + missing


def closure_gate(phones: Sequence[Phone], times: Floats) -> Floats:
    """How closed the lips are for /p b m/: 1 = together, shape (len(times),).

    The hold covers nearly all of /m/ and all but the burst of /p b/; it is never shorter than a frame.
    """
    spans = []
    for start, end, sound in split_phones(phones):
        if base_of(sound) in BILABIALS:
            spans.append(_held(start, end, 0.1 if base_of(sound) == 'm' else 0.3))
    return _gate(spans, times, _CLOSURE_RAMP, _CLOSURE_RAMP)


def bite_gate(phones: Sequence[Phone], times: Floats) -> Floats:
    """How firmly the lower lip touches the upper teeth for /f v/, 0..1, shape (len(times),)."""
    spans = [_held(a, b, 0.15) for a, b, sound in split_phones(phones) if base_of(sound) in LABIODENTALS]
    return _gate(spans, times, 0.05, 0.05)


def rest_gate(phones: Sequence[Phone], times: Floats) -> Floats:
    """How far the lips rest closed in pauses, 0..1, shape (len(times),)."""
    duration = float(times[-1]) if len(times) else 0.0
    spans = []
    for start, end in pause_spans(phones, duration):
        # A pause at an edge of the clip is assumed to continue beyond it.
        begin = start + 0.10 if start > 0 else -1.0
        stop = end - 0.06 if end < duration else end + 1.0
        spans.append((min(begin, stop), stop))
    return _gate(spans, times, 0.10, 0.06)


def viseme_targets(phones: Sequence[Phone], frames: int, fps: float = 25.0) -> Floats:
    """The eight dimensions VISEMES without style, as the ground truth for correlations.

    Shape (frames, 8), values 0..1; frame i is taken at (i + 0.5) / fps seconds. Lip closure and
    bite include the hold of the gates, as the animation does.
    """
    times = frame_times(frames, fps)
    targets = articulate(phones, times)[:, : len(VISEMES)]
    for name, gate in (('lipClose', closure_gate(phones, times)), ('lipBite', bite_gate(phones, times))):
        column = VISEMES.index(name)
        targets[:, column] = np.maximum(targets[:, column], gate)
    return targets
