# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.training.animator.sounds import ARTICULATORS
from diffposetalk_ros.training.animator.visemes import VISEMES, segments, split_phones


def test_gaps_become_silence_and_diphthongs_two_parts():
    laid = segments([(0.2, 0.3, 'B'), (0.3, 0.5, 'AY'), (0.7, 0.8, 'S')])
    np.testing.assert_allclose(laid.edges[1:-1], [0.2, 0.3, 0.39, 0.5, 0.7, 0.8], atol=1e-6)
    jaw = laid.target[:, ARTICULATORS.index('jaw')]
    assert len(jaw) == 7
    assert jaw[2] > 2 * jaw[3], 'AY closes from AA to IH'
    assert jaw[0] == jaw[4] == jaw[6], 'silence before, between and after'


def test_phonemes_out_of_order_are_refused():
    with pytest.raises(ConfigError, match='out of order'):
        segments([(0.5, 0.6, 'B'), (0.1, 0.2, 'AA')])


def test_the_eight_visemes_lead_the_articulators():
    assert len(VISEMES) == 8
    assert ARTICULATORS[:2] == ('jaw', 'close')


def test_a_phone_of_several_sounds_is_split_in_order():
    assert split_phones([(0.0, 1.0, 'pf'), (1.0, 1.5, 'SIL')]) == [
        (0.0, 0.45, 'p'), (0.45, 1.0, 'f'), (1.0, 1.5, 'SIL'),
    ]  # fmt: skip
    laid = segments([(0.0, 0.3, 'aʊə')])
    assert laid.names[1:-1] == ('a', 'ʊ', 'ə')
    np.testing.assert_allclose(laid.edges[1:-1], [0.0, 0.1, 0.2, 0.3], atol=1e-6)
