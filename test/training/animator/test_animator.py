# SPDX-License-Identifier: Apache-2.0
from itertools import combinations

import numpy as np
import pytest

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.training.animator import NAMED_STYLES, animate, sample_style, viseme_targets

from .conftest import FRAMES, utterance

LAYOUT = arkit_layout()
MOUTH = [
    LAYOUT.index(name)
    for name in (
        'jawOpen',
        'jawForward',
        'mouthClose',
        'mouthFunnel',
        'mouthPucker',
        'mouthRollLower',
        'tongueOut',
    )
]


def motion_of(speech, style, seed=0):
    return animate(speech.phones, speech.samples, style, FRAMES, np.random.default_rng(seed))


def features(motion):
    """Levels and liveliness of each channel: what of a style is independent of the words."""
    return np.concatenate([motion.mean(0), motion.std(0), np.abs(np.diff(motion, axis=0)).mean(0)])


@pytest.mark.parametrize('seed', range(5))
def test_shape_range_and_no_surprises(speech, seed):
    motion = motion_of(speech, sample_style(np.random.default_rng(seed)), seed)
    assert motion.shape == (FRAMES, 55)
    assert motion.dtype == np.float32
    assert np.isfinite(motion).all()
    assert motion[:, :52].min() >= 0
    assert motion[:, :52].max() <= 1
    assert np.abs(motion[:, 52:]).max() < 0.8


def test_same_seed_same_motion(speech):
    style = NAMED_STYLES['lively']
    np.testing.assert_array_equal(motion_of(speech, style, 3), motion_of(speech, style, 3))


def test_articulation_does_not_depend_on_seed_or_sound_but_the_rest_does(speech):
    style = NAMED_STYLES['lively']
    one, other = motion_of(speech, style, 1), motion_of(speech, style, 2)
    silent = animate(speech.phones, 0 * speech.samples, style, FRAMES, np.random.default_rng(1))
    np.testing.assert_array_equal(one[:, MOUTH], other[:, MOUTH])
    np.testing.assert_array_equal(one[:, MOUTH], silent[:, MOUTH])
    assert np.abs(one[:, 52:] - other[:, 52:]).max() > 0.02
    assert np.abs(one[:, 52:] - silent[:, 52:]).max() > 0.01


def test_motion_is_smooth(speech):
    """Neither head nor jaw jumps between frames, in place or in speed."""
    motion = motion_of(speech, NAMED_STYLES['neutral'])
    assert np.abs(np.diff(motion[:, 52:], axis=0)).max() < 0.03
    jaw = motion[:, LAYOUT.index('jawOpen')]
    assert np.abs(np.diff(jaw)).max() < 0.25
    assert np.abs(np.diff(jaw, 2)).max() < 0.3


def test_jaw_follows_the_viseme_truth_in_every_style(speech):
    truth = viseme_targets(speech.phones, FRAMES)[:, 0]
    for name, style in NAMED_STYLES.items():
        jaw = motion_of(speech, style)[:, LAYOUT.index('jawOpen')]
        assert np.corrcoef(jaw, truth)[0, 1] > 0.95, name


def test_blinks_reach_the_lids_and_still_styles_are_still(speech):
    lids = motion_of(speech, NAMED_STYLES['frequent_blinks'])[:, LAYOUT.index('eyeBlinkLeft')]
    assert (lids > 0.8).sum() >= 4
    assert motion_of(speech, NAMED_STYLES['still'])[:, 52:].std(axis=0).max() < 0.01
    assert motion_of(speech, NAMED_STYLES['large_head'])[:, 52:].std(axis=0).max() > 0.05


def test_named_styles_differ_clearly():
    spread = np.stack([features(motion_of(utterance(s), NAMED_STYLES['neutral'], s)) for s in range(6)]).std(
        0
    )
    # Smallest difference that can be seen: 0.01 of a weight, 2 mrad of the head.
    least = np.tile(np.r_[np.full(52, 0.01), np.full(3, 0.002)], 3)
    seen = {name: features(motion_of(utterance(9), style)) for name, style in NAMED_STYLES.items()}
    for one, other in combinations(seen, 2):
        distance = np.abs(seen[one] - seen[other]) / (spread + least)
        assert distance.max() > 3, (one, other)


def test_the_other_half_of_a_style_is_found_among_a_hundred():
    """Levels alone, scaled by how much they vary within a style, identify it from four seconds."""
    rng = np.random.default_rng(0)
    first, second = [], []
    for seed in range(200):
        clip, style = utterance(seed), sample_style(rng)
        motion = animate(clip.phones, clip.samples, style, FRAMES, rng)
        first.append(features(motion[:100]))
        second.append(features(motion[110:]))
    one, other = np.array(first), np.array(second)
    scale = (one - other)[:100].std(axis=0) + 1e-4
    one, other = one[100:] / scale, other[100:] / scale
    distance = ((one[:, None] - other[None]) ** 2).sum(-1)
    assert (distance.argmin(axis=1) == np.arange(100)).mean() >= 0.95


def test_wrong_arguments_are_named(speech):
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match='0 frames'):
        animate(speech.phones, speech.samples, NAMED_STYLES['neutral'], 0, rng)
    with pytest.raises(ConfigError, match='one channel'):
        animate(speech.phones, np.zeros((10, 2), np.float32), NAMED_STYLES['neutral'], 5, rng)


def test_silence_idles():
    motion = animate([], np.zeros(0, np.float32), NAMED_STYLES['neutral'], FRAMES, np.random.default_rng(0))
    assert np.ptp(motion[:, LAYOUT.index('jawOpen')]) < 1e-4
    assert motion[:, 52:].std(axis=0).max() > 0.001
