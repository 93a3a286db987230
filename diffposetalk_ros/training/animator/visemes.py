# SPDX-License-Identifier: Apache-2.0
"""Converts timed phones to articulatory targets without gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.training.animator.sounds import PAUSE, sounds, target, weight

__all__ = ['VISEMES', 'Phone', 'Segments', 'segments', 'split_phones']

Phone = tuple[float, float, str]
"""(start s, end s, label); a label is IPA or ARPABET (`sounds.sounds`)."""

VISEMES: Final = ('jawOpen', 'lipClose', 'pucker', 'funnel', 'stretch', 'lipBite', 'tongueTip', 'teeth')
"""The first eight articulators under the names the evaluation prints."""

_FIRST_PART = 0.45  # share of a diphthong spent on its first vowel


class Segments:
    """Targets of consecutive stretches of time, diphthongs split in two, gaps filled with silence.

    edges (n+1,) s, the outer ones far outside the clip; names of the n sounds; target and weight (n, 11).
    """

    def __init__(self, edges: list[float], names: list[str]) -> None:
        self.edges: NDArray[np.float32] = np.array(edges, np.float32)
        self.names = tuple(names)
        self.target: NDArray[np.float32] = np.array([target(name) for name in names], np.float32)
        self.weight: NDArray[np.float32] = np.array([weight(name) for name in names], np.float32)


def split_phones(phones: Sequence[Phone]) -> list[Phone]:
    """The same stretches of time with one sound each (`sounds.sounds`); ConfigError for an unknown label."""
    out: list[Phone] = []
    for start, end, label in phones:
        parts = sounds(label)
        share = (0.0, _FIRST_PART) if len(parts) == 2 else [k / len(parts) for k in range(len(parts))]
        edges = [*(start + k * (end - start) for k in share), end]
        out += zip(edges, edges[1:], parts, strict=False)
    return out


def segments(phones: Sequence[Phone]) -> Segments:
    """Segments of the phones of a clip, without gaps.

    phones: (start s, end s, label) in order of time. Raises ConfigError where they overlap by more
    than 5 ms, run backwards or carry an unknown label.
    """
    edges, names, now = [-100.0], [], -100.0
    for start, end, label in phones:
        if end < start or start < now - 0.005:
            raise ConfigError(
                f'phoneme {label!r} at {start:.3f}..{end:.3f} s is out of order; sort by start time'
            )
        now = end
    now = -100.0
    for start, end, sound in split_phones(phones):
        if start > now + 1e-4:
            names.append(PAUSE)
            edges.append(start)
        names.append(sound)
        edges.append(end)
        now = end
    names.append(PAUSE)
    edges.append(max(now, 0.0) + 1000.0)
    return Segments(edges, names)
