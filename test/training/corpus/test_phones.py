# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.training.corpus.phones import (
    arpabet_of,
    ipa_of,
    restore_stop_closures,
    to_arpabet,
    to_ipa,
)
from diffposetalk_ros.training.corpus.speech import CorpusError, Phone


@pytest.mark.parametrize(
    ('engine', 'name', 'expected'),
    [
        ('flite', 'ax', ('AH',)),
        ('flite', 'pau', ('SIL',)),
        ('festival', 'dx', ('D',)),
        ('festival', 'zh', ('ZH',)),
        ('espeak', 't#', ('D',)),
        ('espeak', 'A@', ('AA', 'R')),
        ('espeak', ';', ()),
    ],
)
def test_engine_phones_become_arpabet(engine: str, name: str, expected: tuple[str, ...]) -> None:
    assert arpabet_of(engine, name) == expected


@pytest.mark.parametrize('engine', ['flite', 'espeak'])
def test_an_unknown_phone_is_named(engine: str) -> None:
    with pytest.raises(CorpusError, match="'qq'"):
        arpabet_of(engine, 'qq')


def test_phones_cover_the_sound_without_gaps() -> None:
    heard = [
        Phone(0.1, 0.2, '_'),
        Phone(0.2, 0.3, 'p'),
        Phone(0.3, 0.5, 'A@'),
        Phone(0.5, 0.6, '_'),
        Phone(0.6, 0.7, '_:'),
    ]
    phones = to_arpabet('espeak', heard, 0.8)
    assert [p.name for p in phones] == ['SIL', 'P', 'AA', 'R', 'SIL']
    assert phones[0].start == 0 and phones[-1].end == 0.8
    assert all(a.end == b.start for a, b in zip(phones, phones[1:], strict=False))
    assert phones[2].end == pytest.approx(0.42)


def test_a_mark_without_sound_extends_the_phone_before() -> None:
    phones = to_arpabet('espeak', [Phone(0, 0.1, 't'), Phone(0.1, 0.2, ';'), Phone(0.2, 0.3, 'u:')], 0.3)
    assert [(p.name, p.end) for p in phones] == [('T', 0.2), ('UW', 0.3)]


def test_a_stop_starts_at_its_closure() -> None:
    rate = 22050
    sound = (8000 * np.sin(np.arange(rate) * 0.3)).astype(np.int16)
    sound[round(0.40 * rate) : round(0.46 * rate)] = 0  # lips shut from 0.40 s; espeak reports p at 0.46 s
    phones = [Phone(0, 0.46, 'a'), Phone(0.46, 0.55, 'p'), Phone(0.55, 1.0, 'a')]
    fixed = restore_stop_closures(sound, rate, phones)
    assert fixed[1].start == pytest.approx(0.40, abs=0.005)
    assert fixed[0].end == fixed[1].start and fixed[1].end == 0.55
    assert (
        restore_stop_closures(sound, rate, [p._replace(name='s') if p.name == 'p' else p for p in phones])[
            1
        ].start
        == 0.46
    )


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('pʰ', 'pʰ'), ('t̪', 't̪'), ('ts.h', 'tʂ'), ('s.', 'ʂ'), ('r\u031d', 'ʒ'), ('p-', 'p'), ('d^', 'd'),
        ('i.', 'ɨ'), ('?ɑ', 'ɑ'), ('sx', 'ɧ'), ('(en)', ''), ('ʲ', ''), ('', ''), ('5', ''),
    ],
)  # fmt: skip
def test_espeak_names_become_ipa(name: str, expected: str) -> None:
    assert ipa_of(name) == expected


@pytest.mark.parametrize(
    ('language', 'expected'),
    [('ru', 'ɨ'), ('uk', 'ɪ'), ('pt-br', 'ɪ'), ('vi', 'ɯ'), ('fr', 'y'), ('tr', 'y')],
)
def test_not_every_y_is_rounded(language: str, expected: str) -> None:
    assert ipa_of('y', language) == expected
    assert ipa_of('yə', language) == f'{expected}ə'


def test_an_espeak_name_that_is_no_ipa_is_told() -> None:
    with pytest.raises(CorpusError, match="'§'"):
        ipa_of('§')


def test_a_nameless_event_is_a_pause_only_where_nothing_sounds() -> None:
    rate = 16000
    sound = (8000 * np.sin(np.arange(rate) * 0.3)).astype(np.int16)
    sound[rate // 2 :] = 0
    heard = [
        Phone(0, 0.2, 'a'),
        Phone(0.2, 0.3, ''),
        Phone(0.3, 0.5, 'l'),
        Phone(0.5, 0.7, ''),
        Phone(0.7, 1.0, ''),
    ]
    assert to_ipa(sound, rate, heard) == (Phone(0, 0.3, 'a'), Phone(0.3, 0.5, 'l'), Phone(0.5, 1.0, 'SIL'))
