# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from diffposetalk_ros.training.animator.coarticulation import (
    articulate,
    closure_gate,
    frame_times,
    lip_closure_spans,
    pause_spans,
    rest_gate,
    viseme_targets,
)
from diffposetalk_ros.training.animator.sounds import ARTICULATORS
from diffposetalk_ros.training.animator.visemes import VISEMES

JAW, PUCKER = ARTICULATORS.index('jaw'), ARTICULATORS.index('pucker')


def at(moment):
    return np.array([moment], np.float32)


def test_frames_are_sampled_at_their_centre():
    np.testing.assert_allclose(frame_times(3), [0.02, 0.06, 0.10], atol=1e-6)


def test_a_long_vowel_reaches_its_target():
    assert articulate([(0.5, 1.1, 'AA')], at(0.8))[0, JAW] == pytest.approx(0.95, abs=0.01)


def test_rounding_is_anticipated_during_the_consonant():
    before_round = articulate([(0.2, 0.3, 'S'), (0.3, 0.4, 'T'), (0.4, 0.6, 'UW')], at(0.33))[0, PUCKER]
    before_spread = articulate([(0.2, 0.3, 'S'), (0.3, 0.4, 'T'), (0.4, 0.6, 'IY')], at(0.33))[0, PUCKER]
    assert before_round > 0.3
    assert before_spread < 0.01


def test_rounding_runs_ahead_more_than_it_lingers():
    phones = [(0.0, 0.3, 'K'), (0.3, 0.5, 'UW'), (0.5, 0.8, 'K')]
    ahead, behind = articulate(phones, np.array([0.28, 0.52], np.float32))[:, PUCKER]
    assert ahead > behind


def test_trajectory_is_exact_in_continuous_time():
    phones = [(0.1, 0.17, 'B'), (0.17, 0.31, 'AE'), (0.31, 0.4, 'T')]
    coarse = articulate(phones, frame_times(10, 25))
    fine = articulate(phones, frame_times(10 * 9, 225))
    np.testing.assert_allclose(coarse, fine[4::9], atol=1e-5)


@pytest.mark.parametrize('phone', ['P', 'B', 'M'])
@pytest.mark.parametrize('offset', np.linspace(0, 0.04, 9))
def test_even_a_very_short_closure_owns_a_frame(phone, offset):
    times = frame_times(25)
    gate = closure_gate([(0.4 + offset, 0.43 + offset, phone)], times)
    assert gate.max() == pytest.approx(1.0, abs=1e-5)
    assert gate[0] == gate[-1] == 0


def test_closures_are_listed_and_neighbours_merged():
    phones = [(0.0, 0.1, 'P'), (0.1, 0.2, 'm'), (0.2, 0.3, 'AA'), (0.3, 0.4, 'B')]
    assert lip_closure_spans(phones) == [(0.0, 0.2), (0.3, 0.4)]


def test_pauses_include_gaps_and_the_edges():
    phones = [(0.5, 0.7, 'AA'), (0.7, 1.0, 'SIL'), (1.0, 1.2, 'S'), (1.25, 1.4, 'T')]
    assert pause_spans(phones, 2.0) == [(0.0, 0.5), (0.7, 1.0), (1.4, 2.0)]


def test_lips_rest_in_long_pauses_but_not_in_short_ones_or_at_the_end_of_a_cut_clip():
    phones = [(0.0, 0.5, 'AA'), (0.5, 0.6, 'SIL'), (0.6, 1.0, 'AA'), (1.6, 2.0, 'AA')]
    times = frame_times(50)
    gate = rest_gate(phones, times)
    assert gate[(times > 1.2) & (times < 1.5)].min() == 1
    assert gate[times < 1.0].max() == 0
    assert gate[-1] == 0


def test_viseme_targets_have_the_shape_and_range_of_the_probe(speech):
    targets = viseme_targets(speech.phones, 210)
    assert targets.shape == (210, len(VISEMES)) == (210, 8)
    assert targets.dtype == np.float32
    assert targets.min() >= 0
    assert targets.max() <= 1.0001


def test_no_phonemes_at_all_is_rest():
    targets = viseme_targets([], 10)
    assert np.ptp(targets, axis=0).max() < 1e-6
    assert rest_gate([], frame_times(10)).min() == 1
