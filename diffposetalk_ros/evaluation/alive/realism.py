# SPDX-License-Identifier: Apache-2.0
"""A linear classifier that tries to distinguish generated faces from tracked people by 2 s of upper face and head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.nonverbal.eye_measures import gaze_of, lids_of
from diffposetalk_ros.nonverbal.signals import SIGNALS, signals_of

__all__ = ['auc', 'told_apart', 'window_features', 'with_tracker_noise']

Floats = NDArray[np.float32]

_WINDOW = 50
"""Frames: 2 s at 25 frames/s."""
_WEIGHT_NOISE = 0.03
"""Deviation of a tracked weight above 5 Hz outside blinks, as white noise, over the weight: medians on 33 tracks are
0.02 (lids, squint) to 0.04 (brows, smile, gaze), for weights from 0.01 to 0.6. Scores near 0 stand still."""
_HEAD_NOISE = np.radians([0.108, 0.055, 0.041])
"""The same of the head's pitch, yaw and roll: medians, rad."""
_SHUT = 0.65
"""Score of a shut eye."""
_OPEN = 0.15
_LEAKED_SQUINT, _LEAKED_GAZE = 0.25, 1.0
"""What a lid that scores 1 more than an open one adds to squint, beside what ours squints itself, and to looking down
(69 blinks of people: lids rise by .46, squint by .19, gaze falls by 16 degrees)."""
_LIDS = [arkit_layout().index(f'eyeBlink{side}') for side in ('Left', 'Right')]
_SQUINTS = [arkit_layout().index(f'eyeSquint{side}') for side in ('Left', 'Right')]
_UPS, _DOWNS = (
    [arkit_layout().index(f'eyeLook{way}{side}') for side in ('Left', 'Right')] for way in ('Up', 'Down')
)
_SMOOTH = 1.6
"""Deviation (frames) of the filter that leaves what is below about 2.5 Hz."""
_USED = len(SIGNALS) - 2  # sideways and lopsided are measured too coarsely


def with_tracker_noise(motion: Floats, rng: np.random.Generator) -> Floats:
    """Generated motion (F, 55) with the artefacts of the tracker of `people`: the effect of blinks on other scores,
    a closed eye at 0.65, and noise."""
    tracked = np.array(motion, np.float32)
    tracked[:, _LIDS] *= _SHUT
    shut = np.maximum(tracked[:, _LIDS] - _OPEN, 0)
    tracked[:, _SQUINTS] += _LEAKED_SQUINT * shut
    tracked[:, _DOWNS] += _LEAKED_GAZE * shut
    tracked[:, _UPS] *= 1 - shut / (_SHUT - _OPEN)
    noise = rng.standard_normal(motion.shape).astype(np.float32)
    noisy = tracked * (1 + _WEIGHT_NOISE * noise)
    noisy[:, 52:] = motion[:, 52:] + _HEAD_NOISE * noise[:, 52:]
    return np.asarray(np.clip(noisy, -1, 1), np.float32)


def window_features(motion: Floats) -> NDArray[np.float64]:
    """Features (n, k) of the windows of 2 s: deviation, pace and skewness of every signal below about 2.5 Hz.

    Faster motion is the tracker's noise, which depends on the picture and cannot be imitated well. Levels are
    left out, because the resting face depends on the person and the tracker, not on liveliness.
    """
    tracks = np.concatenate(
        [signals_of(motion)[:, :_USED], lids_of(motion).mean(1)[:, None], gaze_of(motion)], 1
    )
    slow = gaussian_filter1d(tracks.astype(np.float64), _SMOOTH, axis=0)
    rows = []
    for start in range(0, len(tracks) - _WINDOW + 1, _WINDOW // 2):
        part = slow[start : start + _WINDOW]
        away = part - part.mean(0)
        spread = away.std(0) + 1e-4
        speed = np.sqrt((np.diff(part, axis=0) ** 2).mean(0)) + 1e-5
        rows.append(np.concatenate([np.log(spread), np.log(speed / spread), (away**3).mean(0) / spread**3]))
    return np.array(rows).reshape(len(rows), 3 * tracks.shape[1])


def auc(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """Area under the receiver operating characteristic: 0.5 is guessing, 1 is certain."""
    order = np.argsort(np.argsort(scores)) + 1
    positive = int(labels.sum())
    return float(
        (order[labels].sum() - positive * (positive + 1) / 2) / (positive * (len(labels) - positive))
    )


def told_apart(people: Sequence[Floats], generated: Sequence[Floats], folds: int = 5, seed: int = 0) -> float:
    """AUC of ridge regression between people and generated motion, on people and clips it was not fitted to.

    ``people`` and ``generated`` (F, 55) pairs of clips at 25 frames/s; a clip lies in one fold.
    """
    rng = np.random.default_rng(seed)
    rows, labels, fold = [], [], []
    for is_person, clips in ((True, people), (False, generated)):
        places = rng.permutation(len(clips)) % folds
        for clip, place in zip(clips, places, strict=True):
            found = window_features(clip if is_person else with_tracker_noise(clip, rng))
            rows.append(found)
            labels += [is_person] * len(found)
            fold += [int(place)] * len(found)
    x, y, part = np.concatenate(rows), np.array(labels), np.array(fold)
    scores = np.zeros(len(y))
    for k in range(folds):
        seen = part != k
        mean, scale = x[seen].mean(0), x[seen].std(0) + 1e-9
        a = np.c_[(x - mean) / scale, np.ones(len(x))]
        weight = np.where(y[seen], 1 / y[seen].sum(), 1 / (~y[seen]).sum())[:, None]
        ridge = np.eye(a.shape[1]) * 0.02
        solution = np.linalg.solve(
            a[seen].T @ (weight * a[seen]) + ridge, a[seen].T @ (weight[:, 0] * (2.0 * y[seen] - 1))
        )
        scores[~seen] = a[~seen] @ solution
    return auc(scores, y)
