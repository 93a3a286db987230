# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.errors import ConfigError, MotionError
from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES
from diffposetalk_ros.motion.rig import PARTS, load_rig
from diffposetalk_ros.motion.rig import surface as sf

RIG = load_rig()
LEFT, UP, FORWARD = np.eye(3)


def _weights(**channels: float) -> np.ndarray:
    weights = np.zeros((1, 52), np.float32)
    for name, value in channels.items():
        weights[0, ARKIT_BLENDSHAPES.index(name)] = value
    return weights


# Channel -> (landmark, direction in which it must move by at least 1.5 mm).
_SIGNS: dict[str, tuple[str, np.ndarray]] = {
    'jawForward': ('chin', FORWARD),
    'jawRight': ('chin', -LEFT),
    'jawLeft': ('chin', LEFT),
    'jawOpen': ('lower_lip_inner', -UP),
    'mouthClose': ('lower_lip_inner', UP),
    'mouthFunnel': ('upper_lip_outer', FORWARD),
    'mouthPucker': ('mouth_corner_left', -LEFT),
    'mouthRight': ('upper_lip_outer', -LEFT),
    'mouthLeft': ('upper_lip_outer', LEFT),
    'mouthRollLower': ('lower_lip_outer', -FORWARD),
    'mouthRollUpper': ('upper_lip_outer', -FORWARD),
    'mouthShrugLower': ('chin', UP),
    'mouthShrugUpper': ('upper_lip_outer', UP),
    'browInnerUp': ('brow_inner_left', UP),
    'cheekPuff': ('cheek_low_left', FORWARD),
    'tongueOut': ('tongue_tip', FORWARD),
}
for _name, _side in (('Left', LEFT), ('Right', -LEFT)):
    _at = _name.lower()
    _SIGNS |= {
        f'eyeBlink{_name}': (f'upper_lid_{_at}', -UP),
        f'eyeLookDown{_name}': (f'pupil_{_at}', -UP),
        f'eyeLookIn{_name}': (f'pupil_{_at}', -_side),
        f'eyeLookOut{_name}': (f'pupil_{_at}', _side),
        f'eyeLookUp{_name}': (f'pupil_{_at}', UP),
        f'eyeSquint{_name}': (f'lower_lid_{_at}', UP),
        f'eyeWide{_name}': (f'upper_lid_{_at}', UP),
        f'mouthSmile{_name}': (f'mouth_corner_{_at}', UP),
        f'mouthFrown{_name}': (f'mouth_corner_{_at}', -UP),
        f'mouthDimple{_name}': (f'mouth_corner_{_at}', -FORWARD),
        f'mouthStretch{_name}': (f'mouth_corner_{_at}', _side),
        f'mouthPress{_name}': (f'mouth_corner_{_at}', -FORWARD),
        f'mouthLowerDown{_name}': ('lower_lip_inner', -UP),
        f'mouthUpperUp{_name}': ('upper_lip_inner', UP),
        f'browDown{_name}': (f'brow_inner_{_at}', -UP),
        f'browOuterUp{_name}': (f'brow_outer_{_at}', UP),
        f'cheekSquint{_name}': (f'cheek_{_at}', UP),
        f'noseSneer{_name}': (f'nose_wing_{_at}', UP),
    }


@pytest.mark.parametrize('name', ARKIT_BLENDSHAPES)
def test_each_channel_moves_its_landmark_the_right_way(name: str) -> None:
    landmark, direction = _SIGNS[name]
    field = RIG.displacements[ARKIT_BLENDSHAPES.index(name)]
    assert field[RIG.landmarks[landmark]] @ direction > 1.5
    assert np.linalg.norm(field, axis=1).max() < 45


@pytest.mark.parametrize('name', [n for n in ARKIT_BLENDSHAPES if n.endswith(('Left', 'Right'))])
def test_sided_channels_act_on_their_side(name: str) -> None:
    if name in ('jawLeft', 'jawRight', 'mouthLeft', 'mouthRight'):
        return
    field = np.linalg.norm(RIG.displacements[ARKIT_BLENDSHAPES.index(name)], axis=1)
    side = 1 if name.endswith('Left') else -1
    own = field[side * RIG.neutral[:, 0] > 0].sum()
    assert own > 4 * field[side * RIG.neutral[:, 0] < 0].sum()


def _mirror() -> np.ndarray:
    from scipy.spatial import cKDTree

    distance, mirror = cKDTree(RIG.neutral).query(RIG.neutral * [-1, 1, 1])
    # The glint in the eyes lies on the same side of both, as light does; the hair has a parting.
    free = RIG.faces[np.isin(RIG.part, [PARTS.index('glint'), PARTS.index('hair')])]
    mirror[free], distance[free] = free, 0
    assert distance.max() < 1e-3
    return np.asarray(mirror)


def test_the_head_and_its_channels_are_symmetric() -> None:
    mirror = _mirror()
    swap = {'Left': 'Right', 'Right': 'Left'}
    for index, name in enumerate(ARKIT_BLENDSHAPES):
        twin = name
        for end, other in swap.items():
            if name.endswith(end):
                twin = name.removesuffix(end) + other
        mirrored = RIG.displacements[ARKIT_BLENDSHAPES.index(twin)][mirror] * [-1, 1, 1]
        np.testing.assert_allclose(RIG.displacements[index], mirrored, atol=0.05, err_msg=name)


def test_mesh_is_sound() -> None:
    assert 2000 <= len(RIG.neutral) <= 6000
    assert RIG.neutral.dtype == np.float32
    assert RIG.faces.dtype == np.int32
    assert np.isfinite(RIG.displacements).all()
    assert set(RIG.part) == set(range(len(PARTS)))
    assert set(RIG.faces.ravel()) == set(range(len(RIG.neutral)))
    edges = np.sort(np.concatenate([RIG.faces[:, [0, 1]], RIG.faces[:, [1, 2]], RIG.faces[:, [2, 0]]]), 1)
    assert np.unique(edges, axis=0, return_counts=True)[1].max() == 2
    with pytest.raises(ValueError):
        RIG.neutral[0] = 0
    assert load_rig() is RIG


def test_jaw_opens_and_mouth_close_cancels_it() -> None:
    assert 25 <= RIG.lip_opening(_weights(jawOpen=1))[0] <= 30
    assert RIG.lip_opening(_weights(jawOpen=0.5))[0] > 10


def _inner_gaps(weights: np.ndarray) -> np.ndarray:
    """Height of the gap along the whole inner lip, by pairs of the innermost ring."""
    ring = RIG.vertices(weights)[0, :56]
    return np.asarray([ring[i, 1] - ring[56 - i, 1] for i in range(1, 28)])


@pytest.mark.parametrize('amount', [0.0, 0.2, 0.6, 1.0])
def test_closed_lips_touch_without_crossing(amount: float) -> None:
    gaps = _inner_gaps(_weights(jawOpen=amount, mouthClose=amount))
    assert gaps.min() >= -0.05
    assert gaps.max() <= 1.0


@pytest.mark.parametrize(
    'name',
    [n for n in ARKIT_BLENDSHAPES if n.startswith('mouth')
     and not n.startswith(('mouthClose', 'mouthFunnel', 'mouthLowerDown', 'mouthUpperUp'))],
)  # fmt: skip
def test_channels_of_shut_lips_leave_them_shut(name: str) -> None:
    gaps = _inner_gaps(_weights(**{name: 1.0}))
    assert gaps.min() >= -0.1
    assert gaps.max() <= 1.0


@pytest.mark.parametrize('name', ['Left', 'Right'])
def test_lids_meet_and_stay_in_front_of_the_eye(name: str) -> None:
    side = name.lower()
    upper, lower = RIG.landmarks[f'upper_lid_{side}'], RIG.landmarks[f'lower_lid_{side}']
    for amount in (0.0, 0.3, 0.5, 0.8, 1.0):
        points = RIG.vertices(_weights(**{f'eyeBlink{name}': amount}))[0]
        gap = points[upper, 1] - points[lower, 1]
        assert gap >= -0.01
        centre = sf.EYE_CENTER * [1 if name == 'Left' else -1, 1, 1]
        assert np.linalg.norm(points[[upper, lower]] - centre, axis=1).min() > sf.EYE_RADIUS
    assert gap < 0.3


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_gram_equals_mean_squared_distance(seed: int) -> None:
    a, b = np.random.default_rng(seed).uniform(0, 1, (2, 1, 52)).astype(np.float32)
    for mask, vertices in RIG.masks.items():
        distance = RIG.vertices(a)[0, vertices] - RIG.vertices(b)[0, vertices]
        change = (a - b)[0].astype(np.float64)
        direct = (distance.astype(np.float64) ** 2).sum(1).mean()
        assert change @ RIG.gram(mask) @ change == pytest.approx(direct, rel=1e-3)


def test_head_rotation_turns_the_head_and_not_the_shoulders() -> None:
    turned = RIG.vertices(np.zeros((1, 52)), [[0.0, 0.4, 0.0]])[0] - RIG.neutral
    assert turned[RIG.landmarks['nose_tip']] @ LEFT > 20
    down = RIG.vertices(np.zeros((1, 52)), [[0.3, 0.0, 0.0]])[0] - RIG.neutral
    assert down[RIG.landmarks['nose_tip']] @ UP < -5
    foot = RIG.neutral[:, 1] < -155
    assert np.abs(turned[foot]).max() < 1e-3


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(MotionError, match='52'):
        RIG.vertices(np.zeros((3, 55)))
    with pytest.raises(MotionError, match='52'):
        RIG.lip_opening(np.zeros(52))
    with pytest.raises(MotionError, match='rotation'):
        RIG.vertices(np.zeros((3, 52)), np.zeros((2, 3)))
    with pytest.raises(ConfigError, match=r'nobody.*robin'):
        load_rig('nobody')
    with pytest.raises(MotionError, match='knees'):
        RIG.gram('knees')
