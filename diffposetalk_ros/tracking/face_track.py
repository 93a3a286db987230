# SPDX-License-Identifier: Apache-2.0
"""Readings of a face tracker for one person, frame by frame: scores, distances and head, before calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.tracking.landmarks import FEATURES

__all__ = ['FaceReading', 'FaceTrack']

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FaceReading:
    """One picture. ``faces``: how many were found; the other fields are those of the one tracked, or empty.

    scores (52,): ARKit order, 0..1. features (10,): `landmarks.FEATURES`. head (3,): rotation vector in rad,
    face axes, from the camera's view straight at the face. eye_distance: outer eye corners, pixels.
    light: mean brightness of the face, 0..1; contrast: its standard deviation. landmarks (P, 2): pixels; a page
    sends only their middle, P = 1.
    change: mean difference in brightness from the whole picture before, 0..1 (known without a face too).
    """

    faces: int
    change: float = 0.0
    scores: Floats | None = None
    features: Floats | None = None
    head: Floats | None = None
    eye_distance: float = 0.0
    light: float = 0.0
    contrast: float = 0.0
    landmarks: Floats | None = None

    def without_details(self) -> FaceReading:
        """The same with the middle of the landmarks instead of all, which is what a track needs of them."""
        if self.landmarks is None:
            return self
        return replace(self, landmarks=self.landmarks.mean(axis=0, keepdims=True))


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """Readings of a video of F pictures; rows without a face hold NaN.

    times (F,) s, increasing; scores (F, 52); features (F, 10); head (F, 3) rad; faces (F,);
    eye_distance, light, contrast (F,) as in FaceReading; place (F, 2): middle of the face, pixels;
    change (F,).
    """

    times: Floats
    scores: Floats
    features: Floats
    head: Floats
    faces: NDArray[np.int64]
    eye_distance: Floats
    light: Floats
    contrast: Floats
    place: Floats
    change: Floats

    @property
    def found(self) -> NDArray[np.bool_]:
        """(F,) whether there was a face."""
        return np.isfinite(self.scores[:, 0])

    @classmethod
    def of(cls, times: Sequence[float], readings: Sequence[FaceReading]) -> FaceTrack:
        """Readings in order of time."""

        def column(values: Sequence[object], width: int) -> Floats:
            rows = [np.full(width, np.nan) if v is None else v for v in values]
            return np.asarray(rows, np.float64).reshape(len(rows), width)

        seen = [r.scores is not None for r in readings]
        middle = [None if r.landmarks is None else r.landmarks.mean(axis=0) for r in readings]

        def number(name: str) -> Floats:
            return np.array(
                [getattr(r, name) if ok else np.nan for r, ok in zip(readings, seen, strict=True)], np.float64
            )

        return cls(
            times=np.asarray(times, np.float64),
            scores=column([r.scores for r in readings], 52),
            features=column([r.features for r in readings], len(FEATURES)),
            head=column([r.head for r in readings], 3),
            faces=np.array([r.faces for r in readings], np.int64),
            eye_distance=number('eye_distance'),
            light=number('light'),
            contrast=number('contrast'),
            place=column(middle, 2),
            change=np.array([r.change for r in readings], np.float64),
        )

    def part(self, first: int, last: int) -> FaceTrack:
        """Frames first .. last - 1."""
        return FaceTrack(*(getattr(self, name)[first:last] for name in self.__dataclass_fields__))
