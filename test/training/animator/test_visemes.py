# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.training.animator.visemes import (
    ARTICULATORS,
    PHONES,
    VISEMES,
    normalise_phone,
    segments,
)

ARPABET = [
    'AA', 'AE', 'AH', 'AO', 'AW', 'AY', 'B', 'CH', 'D', 'DH', 'EH', 'ER', 'EY', 'F', 'G', 'HH', 'IH',
    'IY', 'JH', 'K', 'L', 'M', 'N', 'NG', 'OW', 'OY', 'P', 'R', 'S', 'SH', 'T', 'TH', 'UH', 'UW', 'V',
    'W', 'Y', 'Z', 'ZH',
]  # fmt: skip


def test_every_arpabet_phoneme_has_a_target():
    assert set(ARPABET) | {'SIL'} == set(PHONES)


@pytest.mark.parametrize(
    ('label', 'phone'),
    [('ah0', 'AH'), ('EY1', 'EY'), ('pau', 'SIL'), ('', 'SIL'), ('ax', 'AH'), (' b ', 'B')],
)
def test_labels_of_the_engines_are_normalised(label, phone):
    assert normalise_phone(label) == phone


def test_unknown_label_is_named():
    with pytest.raises(ConfigError, match="'XX'"):
        normalise_phone('XX')


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
