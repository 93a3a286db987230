# SPDX-License-Identifier: Apache-2.0
"""Every head has the proportions of a person at rest, so that it reads neutral when it is neutral."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES
from diffposetalk_ros.motion.rig import FACES, PARTS, Rig, load_rig

SIDES = ('left', 'right')


@pytest.fixture(params=sorted(FACES))
def rig(request: pytest.FixtureRequest) -> Rig:
    return load_rig(request.param)


def _mark(rig: Rig, name: str) -> NDArray[np.float32]:
    return rig.neutral[rig.landmarks[name]]


def _weights(**channels: float) -> NDArray[np.float32]:
    weights = np.zeros((1, 52), np.float32)
    for name, value in channels.items():
        weights[0, ARKIT_BLENDSHAPES.index(name)] = value
    return weights


def test_lengths_are_those_of_a_face_with_60_mm_between_the_pupils(rig: Rig) -> None:
    assert _mark(rig, 'pupil_left')[0] - _mark(rig, 'pupil_right')[0] == pytest.approx(60, abs=0.1)
    pupil = _mark(rig, 'pupil_left')[1]
    mouth = (_mark(rig, 'upper_lip_inner')[1] + _mark(rig, 'lower_lip_inner')[1]) / 2
    assert 63 <= pupil - mouth <= 68
    for side in SIDES:
        assert 20.5 <= _mark(rig, f'brow_middle_{side}')[1] - pupil <= 25
        assert abs(_mark(rig, f'mouth_corner_{side}')[1] - mouth) <= 1.5
    assert 95 <= pupil - rig.neutral[rig.masks['skin'], 1].min() <= 115


def test_the_open_eye_is_as_high_and_wide_as_eyes_are(rig: Rig) -> None:
    for side in SIDES:
        opening = _mark(rig, f'upper_lid_{side}')[1] - _mark(rig, f'lower_lid_{side}')[1]
        edge = rig.neutral[rig.openings[f'eye_{side}']]
        assert 8.4 <= opening <= 11
        assert 0.22 <= opening / np.ptp(edge[:, 0]) <= 0.31


def test_the_upper_lid_covers_the_top_of_the_iris_and_leaves_the_pupil_free(rig: Rig) -> None:
    for side, sign in (('left', 1), ('right', -1)):
        lid = _mark(rig, f'upper_lid_{side}')[1]
        heights = {}
        for part in ('iris', 'pupil'):
            points = rig.neutral[rig.faces[rig.part == PARTS.index(part)].ravel()]
            heights[part] = points[points[:, 0] * sign > 0, 1].max()
        assert 1 <= heights['iris'] - lid <= 2.2
        assert heights['pupil'] < lid - 1


def test_the_eyeball_fills_the_open_eye(rig: Rig) -> None:
    parts = [PARTS.index(name) for name in ('sclera', 'iris', 'pupil')]
    ball = rig.neutral[rig.faces[np.isin(rig.part, parts)].ravel()]
    for side, sign in (('left', 1), ('right', -1)):
        edge = rig.neutral[rig.openings[f'eye_{side}']]
        mine = ball[ball[:, 0] * sign > 0]
        assert (mine[:, :2].min(axis=0) < edge[:, :2].min(axis=0)).all()
        assert (mine[:, :2].max(axis=0) > edge[:, :2].max(axis=0)).all()


def test_the_nose_has_a_tip_and_wings_and_ends_above_the_lip(rig: Rig) -> None:
    tip, wing, lip = (_mark(rig, name) for name in ('nose_tip', 'nose_wing_left', 'upper_lip_outer'))
    assert 4 <= tip[2] - wing[2] <= 22
    assert 10 <= tip[2] - lip[2] <= 25
    assert 18 <= tip[1] - lip[1] <= 32


def test_light_does_not_fall_through_shut_lips(rig: Rig) -> None:
    """Right behind the lips the inside of the mouth is shut as well, so teeth do not shine through."""
    upper, lower = rig.lip_pairs
    lips = rig.faces[rig.part == PARTS.index('lips')]
    behind = sorted(set(lips.ravel()) - set(rig.masks['lips']))
    near = rig.neutral[behind]
    for a, b in zip(upper, lower, strict=True):
        middle = (rig.neutral[a] + rig.neutral[b]) / 2
        row = near[np.argsort(np.linalg.norm(near - middle - [0, 0, -1.2], axis=1))[:4]]
        gap = np.ptp(row[np.abs(row[:, 2] - middle[2] + 1.2) < 1.0, 1])
        assert gap <= 0.5


def test_skin_of_neck_and_shirt_faces_outwards(rig: Rig) -> None:
    """The neck was once inside out, and its collar an open hole."""
    inside = np.isin(rig.faces, rig.masks['neck']).all(axis=1) | (rig.part == PARTS.index('shirt'))
    corner = rig.neutral[rig.faces[inside]].astype(float)
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    away = corner.mean(axis=1) - [0, 0, -22]
    low = away[:, 1] < -150  # below the rolled rim of the collar
    neck = np.isin(rig.faces[inside], rig.masks['neck']).all(axis=1)
    assert low.any() and neck.any()
    outward = normal[:, 0] * away[:, 0] + normal[:, 2] * away[:, 2]
    assert (outward[low | neck] > 0).all()


def test_lips_move_alike_on_every_face(rig: Rig) -> None:
    """Closures are measured in mm of lip opening: a clip must close on one face when it closes on another."""
    first = load_rig()
    np.testing.assert_allclose(rig.lip_opening(np.eye(52)), first.lip_opening(np.eye(52)), atol=0.6)
    for amount in (0.0, 0.3, 0.7, 1.0):
        points = rig.vertices(_weights(jawOpen=amount, mouthClose=amount))[0]
        gaps = np.array([points[a, 1] - points[b, 1] for a, b in zip(*rig.lip_pairs, strict=True)])
        assert gaps.min() >= -0.05 and gaps.max() <= 1.0


def test_the_neck_stays_behind_the_open_mouth(rig: Rig) -> None:
    """Also in the page, which draws the inside of the mouth 4.5 mm further away than it is."""
    points = rig.vertices(_weights(jawOpen=1.0))[0]
    inside = points[rig.faces[rig.part == PARTS.index('mouth')].ravel()]
    neck = points[rig.masks['neck']]
    assert neck[neck[:, 1] > -96, 2].max() < inside[:, 2].min() - 4.5 - 2.0


def test_no_hair_shows_through_the_hollow_of_the_ear(rig: Rig) -> None:
    """Seen from the side; the page draws hair 1.2 mm nearer than it is."""
    ears = np.isin(rig.faces, rig.masks['ears']).all(axis=1)
    hair = rig.part == PARTS.index('hair')
    seen = [(y, z) for y in range(-17, 0, 2) for z in range(-12, -3, 2)]
    for side in (1, -1):
        for y, z in seen:
            ear = _outermost(rig, ears, side, y, z)
            assert ear > _outermost(rig, hair, side, y, z) + 1.2, (side, y, z)


def test_the_neck_leaves_the_head_along_the_jaw(rig: Rig) -> None:
    """Seen from the side: the jaw covers the neck in front of the ear, and the neck carries the back of the head."""
    neck = np.isin(rig.faces, rig.masks['neck']).all(axis=1)
    jaw = (rig.part == PARTS.index('skin')) & ~neck
    for y, z in ((-50, -5), (-60, -5), (-75, 0), (-85, 5)):
        assert _outermost(rig, jaw, 1, y, z) > _outermost(rig, neck, 1, y, z), (y, z)
    middle = rig.neutral[rig.masks['neck']]
    nape = middle[(middle[:, 1] > -70) & (middle[:, 1] < -50), 2].min()
    hair = rig.neutral[rig.faces[rig.part == PARTS.index('hair')].ravel()]
    assert abs(nape - hair[hair[:, 1] < -45, 2].min()) < 8


def _outermost(rig: Rig, chosen: NDArray[np.bool_], side: int, y: float, z: float) -> float:
    """Largest distance from the middle at which the chosen faces meet a line across the head; 0 if none does."""
    corners = rig.neutral[rig.faces[chosen]].astype(float)
    edges = np.roll(corners, -1, axis=1)[..., 1:] - corners[..., 1:]
    to = np.array([y, z]) - corners[..., 1:]
    across = edges[..., 0] * to[..., 1] - edges[..., 1] * to[..., 0]
    hit = (across >= 0).all(axis=1) | (across <= 0).all(axis=1)
    share = np.roll(across, -1, axis=1)[hit]  # the edge across from each corner
    share /= share.sum(axis=1, keepdims=True)
    return max(0.0, *(side * (share * corners[hit][..., 0]).sum(axis=1)), 0.0)


def test_faces_differ_clearly() -> None:
    rigs = [load_rig(name) for name in FACES]
    assert [rig.face for rig in rigs] == list(FACES)
    for one, other in pairwise(rigs):
        count = min(len(one.masks['skin']), len(other.masks['skin']))
        shift = one.neutral[one.masks['skin'][:count]] - other.neutral[other.masks['skin'][:count]]
        assert np.linalg.norm(shift, axis=1).mean() > 1.0


def test_meshes_stay_small(rig: Rig) -> None:
    assert 2000 <= len(rig.neutral) <= 6000
    assert set(rig.faces.ravel()) == set(range(len(rig.neutral)))
    edges = np.sort(np.concatenate([rig.faces[:, [0, 1]], rig.faces[:, [1, 2]], rig.faces[:, [2, 0]]]), 1)
    assert np.unique(edges, axis=0, return_counts=True)[1].max() == 2
