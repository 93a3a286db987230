# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.evaluation.viseme_correlation import (
    VISEME_NAMES,
    trusted_frames,
    viseme_correlation,
    visemes_of_motion,
)
from diffposetalk_ros.motion.layout import arkit_layout, flame_layout

RNG = np.random.default_rng(0)


def test_correlation_ignores_scale_and_offset_of_each_dimension() -> None:
    truth = [RNG.normal(size=(40, 8)), RNG.normal(size=(25, 8))]
    found = [3.0 * t + np.arange(8) for t in truth]
    assert viseme_correlation(found, truth) == pytest.approx(np.ones(8))
    assert viseme_correlation([-f for f in found], truth) == pytest.approx(-np.ones(8))
    assert abs(viseme_correlation([RNG.normal(size=(4000, 8))], [RNG.normal(size=(4000, 8))])).max() < 0.1


def test_dimension_that_does_not_move_correlates_with_nothing() -> None:
    truth = RNG.normal(size=(40, 8))
    still = truth.copy()
    still[:, 3] = 0.5
    assert viseme_correlation([still], [truth])[3] == 0.0


def test_tracks_of_different_length_are_refused() -> None:
    with pytest.raises(MotionError, match='differ in length'):
        viseme_correlation([np.zeros((5, 8))], [np.zeros((6, 8))])
    with pytest.raises(MotionError, match='differ in length'):
        viseme_correlation([], [])


def test_flame_motion_has_no_visemes() -> None:
    with pytest.raises(MotionError, match='arkit'):
        visemes_of_motion(np.zeros((5, 54)), flame_layout())


def test_trusted_frames_are_those_with_their_middle_in_a_span() -> None:
    assert trusted_frames(5, 25.0, None).all()
    assert trusted_frames(5, 25.0, [(0.05, 0.1)]).tolist() == [False, True, True, False, False]
    assert not trusted_frames(5, 25.0, []).any()


def test_animated_speech_in_the_neutral_style_agrees_with_its_own_visemes() -> None:
    animator = pytest.importorskip('diffposetalk_ros.training.animator')
    names = RNG.choice([p for p in animator.ARPABET if p != 'SIL'], 400)
    phones = [(0.1 * i, 0.1 * (i + 1), str(name)) for i, name in enumerate(names)]
    speech = (0.1 * RNG.normal(size=16000 * 40)).astype(np.float32)
    motion = animator.animate(phones, speech, animator.named_style('neutral'), 1000, RNG)
    found = visemes_of_motion(motion, arkit_layout())
    r = dict(
        zip(
            VISEME_NAMES,
            viseme_correlation([found], [animator.viseme_targets(phones, 1000)]),
            strict=True,
        )
    )
    assert min(r.values()) > 0.9
    assert np.mean(list(r.values())) > 0.95, r
