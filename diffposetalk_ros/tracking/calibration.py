# SPDX-License-Identifier: Apache-2.0
"""Converts tracker scores to the weights that the models of this package use. Pure functions.

A tracker's score is not an ARKit weight. A closed eye scores about 0.65, a face at rest has a squint score of 0.3,
some channels never move, and the brow channels do not respond on some people. A `FaceProfile` describes one person
in front of one camera. With it, `calibrate` maps every frame independently, so that one map can be used for styles,
live retargeting and measurements. docs/your_face.md gives the source of the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation, Slerp

from diffposetalk_ros.errors import MotionError, VideoError
from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES, arkit_layout
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.tracking.face_track import FaceTrack
from diffposetalk_ros.tracking.landmarks import FEATURES

__all__ = [
    'DEFAULT_PROFILE', 'FaceProfile', 'calibrate', 'calibrate_expression', 'calibrate_take', 'measure_profile',
    'to_clip',
]  # fmt: skip

Floats = NDArray[np.float64]

FPS = 25.0
_HEAD_SIGMA = 0.04
"""Seconds of the Gaussian over the head; trackers shake it by 0.3 to 2 degrees a second on a still picture."""
_BRIDGE = 0.3
"""Seconds without a face that are bridged by interpolation: shorter than any pause a person makes."""
_QUIET_SHARE = 0.1

# Scores of a face at rest (median over 33 filmed people). At most this much is treated as bias; the rest
# is how this person looks, which a style must keep.
_BIAS = {
    'eyeBlink': 0.12,
    'eyeSquint': 0.33,
    'jawOpen': 0.06,
    'mouthPress': 0.05,
    'mouthRollUpper': 0.04,
    'mouthRollLower': 0.02,
    'browDown': 0.02,
    'mouthUpperUp': 0.03,
    'mouthLowerDown': 0.03,
}
# Score at which the weight is 1.
_FULL = {'eyeBlink': 0.65}
# Slopes of the score over a landmark distance: medians over the people on whom the score moves (r .7 to .9).
# The jaw's slope is twice that median, because people's score is half of our models' weight for the same sound.
_JAW_OF_LIPS = 3.0
_BROW_INNER, _BROW_OUTER, _BROW_DOWN = 6.5, 4.5, 4.0
_SMILE_OF_CORNERS, _PUCKER_OF_WIDTH = 6.0, 3.5
_SCORE_SHARE = {'mouthPucker': 0.0}
"""Weight of a score relative to its landmark distance, where it is not one half. The score of the
pucker follows the smile as much as the pucker: on the bundled head its correlation is .39, that of the mouth's width
.86."""
_LID_SHUT = 0.07
_LID_REST = (0.24, 0.40)
"""Opening of a shut eye, and how far a person's own resting opening may be from the average [1, of its width]."""
_DEAD = 0.06
"""A score whose 5th to 95th percentile is nearer than this is dead on this person."""
_SATURATED = 0.9
_SATURATED_MOUTH = 0.5
"""Scores at rest from which on a score has no room to rise: landmarks alone tell the change."""
_SIDE_BAND = 0.01
_JAW_SIDE, _MOUTH_SIDE, _FROWN = 15.0, 10.0, 6.0

_LAYOUT = arkit_layout(head_pose=True)
_AT = {name: i for i, name in enumerate(ARKIT_BLENDSHAPES)}
_FEATURE = {name: i for i, name in enumerate(FEATURES)}
_BROWS = ('browInnerUp', 'browOuterUpLeft', 'browOuterUpRight', 'browDownLeft', 'browDownRight')


def _table(values: dict[str, float], default: float) -> Floats:
    return np.array([values.get(n, values.get(_sideless(n), default)) for n in ARKIT_BLENDSHAPES])


def _sideless(name: str) -> str:
    return name.removesuffix('Left').removesuffix('Right')


_BIAS_TABLE, _FULL_TABLE = _table(_BIAS, 0.0), _table(_FULL, 1.0)


@dataclass(frozen=True, eq=False)
class FaceProfile:
    """One person in front of one camera.

    scores (52,) and features (10,): of the face at rest. dead: brow channels to compute from landmarks.
    gaze (2,): eyes' resting direction as scores (to the left, up). camera (3,): rotation vector of the
    straight-ahead head as the camera sees it, rad, without roll.
    """

    scores: Floats
    features: Floats
    dead: frozenset[str]
    gaze: Floats
    camera: Floats


DEFAULT_PROFILE = FaceProfile(
    _BIAS_TABLE,
    np.array([0.005, 0.57, 0.0, 0.018, 0.0, 0.30, 0.30, 0.22, 0.26, 0.26]),
    frozenset(),
    np.zeros(2),
    np.zeros(3),
)
"""The average person straight before the camera: until a profile of its own can be measured."""


def measure_profile(track: FaceTrack) -> FaceProfile:
    """Profile of the person in a track. Raises VideoError where no frame shows a face."""
    found = track.found
    if not found.any():
        raise VideoError('no frame shows a face; sit nearer, face the camera and light the face')
    scores, features = track.scores[found], track.features[found]
    has_features = bool(np.isfinite(features).all())
    quiet = _quiet_frames(scores, features if has_features else None)
    neutral = np.median(scores[quiet], axis=0)
    spread = np.subtract(*np.percentile(scores, [95, 5], axis=0))
    dead = {n for n in _BROWS if spread[_AT[n]] < _DEAD or neutral[_AT[n]] > _SATURATED}
    rest = np.median(features[quiet], axis=0) if has_features else np.full(len(FEATURES), np.nan)
    for side in ('eye_left', 'eye_right'):
        # Lids rest open. Half of the quiet frames may be blinks, but three quarters of all frames are not.
        rest[_FEATURE[side]] = np.percentile(features[:, _FEATURE[side]], 75) if has_features else np.nan
    return FaceProfile(
        neutral,
        rest,
        frozenset(dead) if has_features else frozenset(),
        np.median(_gaze(scores), axis=0),
        _camera(track.head[found]),
    )


def calibrate_expression(
    scores: Floats, features: Floats, profile: FaceProfile, full: Floats = _FULL_TABLE
) -> Floats:
    """Scores (F, 52) and distances (F, 10; NaN where unknown) -> ARKit weights (F, 52) in 0..1.

    ``full`` (52,): the score of each channel that means 1.
    """
    bias = np.minimum(profile.scores, _BIAS_TABLE)
    out = np.clip((scores - bias) / (full - bias), 0.0, 1.0)
    _set_gaze(out, _gaze(scores) - profile.gaze)
    if np.isfinite(features).all() and np.isfinite(profile.features).all():
        moved = {name: features[:, i] - profile.features[i] for name, i in _FEATURE.items()}
        _set_lids(out, features, profile)
        _set_brows(out, moved, profile)
        _set_mouth(out, moved, profile)
    return np.clip(out, 0.0, 1.0)


def calibrate(track: FaceTrack, profile: FaceProfile, full: Floats = _FULL_TABLE) -> Floats:
    """ARKit motion (F, 55) of the frames of a track; rows without a face are NaN."""
    out = np.full((len(track.times), 55), np.nan)
    found = track.found
    if found.any():
        out[found, :52] = calibrate_expression(track.scores[found], track.features[found], profile, full)
        head = Rotation.from_rotvec(profile.camera).inv() * Rotation.from_rotvec(track.head[found])
        out[found, 52:] = head.as_rotvec()
    return out


def calibrate_take(clip: MotionClip, tracker: str) -> MotionClip:
    """A raw take of 'arkit' (Live Link Face) or 'mediapipe' scores, in ARKit columns -> calibrated motion.

    Without landmarks: the person's rest, the gaze, the camera and, for mediapipe, the gains of the scores.
    Raises MotionError for another motion space.
    """
    if clip.layout.space != 'arkit':
        raise MotionError(f'{clip.layout.space} motion is not a take of a face tracker; omit --calibrate')
    count = len(clip.values)
    head = (
        np.zeros((count, 3))
        if clip.layout.head_rotation is None
        else clip.values[:, clip.layout.head_rotation]
    )
    nothing = np.zeros(count)
    track = FaceTrack(
        times=np.arange(count) / clip.fps,
        scores=np.clip(clip.values[:, :52].astype(np.float64), 0.0, 1.0),
        features=np.full((count, len(FEATURES)), np.nan),
        head=head.astype(np.float64),
        faces=np.ones(count, np.int64),
        eye_distance=nothing,
        light=nothing,
        contrast=nothing,
        place=np.zeros((count, 2)),
        change=nothing,
    )
    full = _FULL_TABLE if tracker == 'mediapipe' else np.ones(52)
    values = calibrate(track, measure_profile(track), full)
    return MotionClip(values.astype(np.float32), clip.fps, _LAYOUT, clip.meta)


def to_clip(times: Floats, values: Floats, fps: float = FPS) -> tuple[MotionClip, NDArray[np.bool_]]:
    """Motion (F, 55) at uneven ``times`` (F,) s, NaN without a face -> a clip at ``fps``, and known (T,).

    Weights are interpolated linearly and not smoothed, so that blinks and closures stay sharp; the head is
    interpolated on SO(3) and smoothed lightly. ``known`` is False in gaps of more than 0.3 s, over which
    the face is interpolated all the same. Raises VideoError for less than two frames with a face.
    """
    seen = np.flatnonzero(np.isfinite(values[:, 0]))
    if len(seen) < 2:
        raise VideoError(f'{len(seen)} frames show a face; a motion needs at least two')
    at, rows = times[seen], values[seen]
    grid = np.arange(times[0], times[-1] + 0.5 / fps, 1.0 / fps)
    out = np.stack([np.interp(grid, at, column) for column in rows.T], axis=1)
    head = Slerp(at, Rotation.from_rotvec(rows[:, 52:]))(np.clip(grid, at[0], at[-1])).as_rotvec()
    out[:, 52:] = gaussian_filter1d(head, _HEAD_SIGMA * fps, axis=0, mode='nearest')
    after = np.clip(np.searchsorted(at, grid), 1, len(at) - 1)
    gap = at[after] - at[after - 1]
    known = (gap <= _BRIDGE) & (grid >= at[0] - 1 / fps) & (grid <= at[-1] + 1 / fps)
    return MotionClip(out.astype(np.float32), fps, _LAYOUT), known


def _quiet_frames(scores: Floats, features: Floats | None) -> NDArray[np.intp]:
    """The tenth of the frames in which the mouth is closed and moves least."""
    mouth = scores[:, [i for n, i in _AT.items() if n.startswith(('mouth', 'jaw'))]]
    speed = np.abs(np.gradient(mouth, axis=0)).mean(axis=1) if len(mouth) > 1 else np.zeros(1)
    opening = scores[:, _AT['jawOpen']] if features is None else features[:, _FEATURE['lip_inner']]
    rank = np.argsort(np.argsort(speed)) + np.argsort(np.argsort(opening))
    return np.argsort(rank, kind='stable')[: max(1, round(_QUIET_SHARE * len(scores)))]


def _camera(head: Floats) -> Floats:
    """Yaw and pitch of the median head, as a rotation vector: the position of the camera.

    Roll belongs to the head, because cameras are upright. A person's habit of looking past the camera cannot be
    distinguished from the camera's position.
    """
    mean = Rotation.from_rotvec(np.median(head, axis=0))
    yaw, pitch, _ = mean.as_euler('YXZ')
    return np.asarray(Rotation.from_euler('YXZ', [yaw, pitch, 0.0]).as_rotvec())


def _gaze(scores: Floats) -> Floats:
    """(F, 2): how far both eyes look to the subject's left, and up, as scores."""
    left = 0.5 * (
        scores[:, _AT['eyeLookOutLeft']]
        - scores[:, _AT['eyeLookInLeft']]
        + scores[:, _AT['eyeLookInRight']]
        - scores[:, _AT['eyeLookOutRight']]
    )
    up = 0.5 * sum(
        scores[:, _AT[f'eyeLookUp{s}']] - scores[:, _AT[f'eyeLookDown{s}']] for s in ('Left', 'Right')
    )
    return np.stack([left, up], axis=1)


def _set_gaze(out: Floats, gaze: Floats) -> None:
    left, up = np.clip(gaze, -1, 1).T
    for name, value in (
        (('eyeLookOutLeft', 'eyeLookInRight'), left),
        (('eyeLookInLeft', 'eyeLookOutRight'), -left),
        (('eyeLookUpLeft', 'eyeLookUpRight'), up),
        (('eyeLookDownLeft', 'eyeLookDownRight'), -up),
    ):
        for channel in name:
            out[:, _AT[channel]] = np.maximum(value, 0.0)


def _set_lids(out: Floats, features: Floats, profile: FaceProfile) -> None:
    """Lids from their opening, which decreases linearly with the blink (r .97 with the score) until closed."""
    for side in ('Left', 'Right'):
        column = _FEATURE[f'eye_{side.lower()}']
        rest = float(np.clip(profile.features[column], *_LID_REST))
        opening = features[:, column]
        out[:, _AT[f'eyeBlink{side}']] = (rest - opening) / (rest - _LID_SHUT)
        out[:, _AT[f'eyeWide{side}']] = (opening - rest - 0.02) / 0.1


def _set_brows(out: Floats, moved: dict[str, Floats], profile: FaceProfile) -> None:
    rises = {
        'browInnerUp': _BROW_INNER * moved['brow_inner'],
        'browOuterUpLeft': _BROW_OUTER * moved['brow_left'],
        'browOuterUpRight': _BROW_OUTER * moved['brow_right'],
        'browDownLeft': -_BROW_DOWN * moved['brow_inner'],
        'browDownRight': -_BROW_DOWN * moved['brow_inner'],
    }
    for name, rise in rises.items():
        column = _AT[name]
        if name in profile.dead:
            out[:, column] = rise
        else:
            out[:, column] = 0.5 * (out[:, column] + np.maximum(profile.scores[column] + rise, 0.0))


def _set_mouth(out: Floats, moved: dict[str, Floats], profile: FaceProfile) -> None:
    """Mean of the score, which gives the level, and of the landmarks, which do not saturate."""
    smile = _SMILE_OF_CORNERS * moved['corner_lift']
    for name, value in (
        ('jawOpen', _JAW_OF_LIPS * moved['lip_inner']),
        ('mouthPucker', -_PUCKER_OF_WIDTH * moved['mouth_width']),
        ('mouthSmileLeft', profile.scores[_AT['mouthSmileLeft']] + smile),
        ('mouthSmileRight', profile.scores[_AT['mouthSmileRight']] + smile),
    ):
        column = _AT[name]
        share = 0.0 if profile.scores[column] > _SATURATED_MOUTH else _SCORE_SHARE.get(name, 0.5)
        out[:, column] = share * out[:, column] + (1 - share) * np.clip(value, 0.0, 1.0)
    for names, gain, value in (
        (('jawLeft', 'jawRight'), _JAW_SIDE, moved['jaw_x']),
        (('mouthLeft', 'mouthRight'), _MOUTH_SIDE, moved['mouth_x']),
    ):
        for name, side in zip(names, (value, -value), strict=True):
            out[:, _AT[name]] = gain * np.maximum(side - _SIDE_BAND, 0.0)
    frown = _FROWN * np.maximum(-moved['corner_lift'] - 2 * _SIDE_BAND, 0.0)
    for channel in (_AT['mouthFrownLeft'], _AT['mouthFrownRight']):
        out[:, channel] = np.maximum(out[:, channel], frown)
