# SPDX-License-Identifier: Apache-2.0
"""Sounds of languages: what labels mean, and that English is where it was."""

import numpy as np
import pytest

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.training.animator.coarticulation import closure_gate, frame_times, lip_closure_spans
from diffposetalk_ros.training.animator.sounds import (
    ARPABET,
    ARTICULATORS,
    BASES,
    BILABIALS,
    base_of,
    sounds,
    target,
    weight,
)

NAMES = [
    'AA', 'AE', 'AH', 'AO', 'AW', 'AY', 'B', 'CH', 'D', 'DH', 'EH', 'ER', 'EY',
    'F', 'G', 'HH', 'IH', 'IY', 'JH', 'K', 'L', 'M', 'N', 'NG', 'OW', 'OY',
    'P', 'R', 'S', 'SH', 'T', 'TH', 'UH', 'UW', 'V', 'W', 'Y', 'Z', 'ZH',
]  # fmt: skip


def of(label: str, articulator: str) -> float:
    (sound,) = sounds(label)
    return target(sound)[ARTICULATORS.index(articulator)]


def test_every_arpabet_phone_is_made_of_sounds():
    assert set(NAMES) | {'SIL'} == set(ARPABET)
    assert {base for parts in ARPABET.values() for base in parts} <= set(BASES)


@pytest.mark.parametrize(
    ('label', 'expected'),
    [
        ('ah0', ('ʌ',)), ('EY1', ('ɛ', 'i')), ('pau', ('SIL',)), ('', ('SIL',)), ('ax', ('ʌ',)), (' B ', ('b',)),
        ('R', ('ɹ',)), ('r', ('r',)), ('Y', ('j',)), ('y', ('y',)), ('Q', ('k',)), ('q', ('q',)),
        ('pʰ', ('p',)), ('bʱ', ('b',)), ('mː', ('m',)), ('t̪', ('t\u032a',)), ('ɛ̃', ('ɛ',)), ('ç', ('ç',)),
        ('t͡s', ('ts',)), ('ts', ('ts',)), ('tʃʲ', ('tʃʲ',)), ('aɪ', ('a', 'ɪ')), ('ɔø', ('ɔ', 'ø')), ('ɡ', ('ɡ',)),
        ('g', ('ɡ',)), ('ʘ', ('p',)), ('ǃ', ('t',)), ('ǁ', ('l',)), ('ɾ', ('r',)), ('ˈaː', ('a',)),
    ],
)  # fmt: skip
def test_labels_of_engines_and_languages_are_understood(label, expected):
    assert sounds(label) == expected


@pytest.mark.parametrize('label', ['XX', '§', 'p§'])
def test_an_unknown_label_is_named(label):
    with pytest.raises(ConfigError, match=repr(label)):
        sounds(label)


@pytest.mark.parametrize('sound', [*BASES, 'tʲ', 'kʷ', 't\u032a', 't\u0323', 'ɯᵝ'])
def test_targets_lie_between_0_and_1_and_weights_above_0(sound):
    assert len(target(sound)) == len(weight(sound)) == len(ARTICULATORS)
    assert min(target(sound)) >= 0 and max(target(sound)) <= 1 and min(weight(sound)) > 0
    assert base_of(sound) in BASES


def test_only_bilabials_close_the_lips():
    closed = {base for base in BASES if target(base)[ARTICULATORS.index('close')] > 0.5}
    assert closed == BILABIALS
    assert all(of(label, 'close') == 1 for label in ('p', 'pʰ', 'pʲ', 'b', 'bʱ', 'ɓ', 'm', 'mː'))
    assert max(of(label, 'close') for label in ('t̪', 'd̪', 'n̪', 'v', 'ʋ', 'β', 'ɸ')) <= 0.3


def test_vowels_are_as_round_as_they_sound():
    def rounding(vowel: str) -> float:
        return of(vowel, 'pucker') + of(vowel, 'funnel')

    assert rounding('y') >= 0.95 * rounding('u') and rounding('ø') >= 0.95 * rounding('o')
    assert max(rounding(vowel) for vowel in ('ɯ', 'ɤ', 'ɨ', 'i', 'e')) == 0
    assert of('ɯᵝ', 'pucker') <= 0.25, 'Japanese u is compressed, hardly protruded'


def test_palatalised_sounds_spread_and_labialised_sounds_round():
    assert of('tʲ', 'stretch') > of('t', 'stretch')
    assert of('kʷ', 'pucker') > of('k', 'pucker')
    assert of('t̪', 'dental') > of('t', 'dental')


def test_closures_are_those_of_every_language():
    phones = [(0.0, 0.2, 'a'), (0.2, 0.32, 'pʲ'), (0.32, 0.6, 'i'), (0.6, 0.8, 'pf'), (0.8, 1.0, 'SIL')]
    np.testing.assert_allclose(lip_closure_spans(phones), [(0.2, 0.32), (0.6, 0.69)])
    gate = closure_gate(phones, frame_times(25))
    assert gate[6] == 1 and gate[2] == 0 and gate[18] < 0.5
