# SPDX-License-Identifier: Apache-2.0
"""Kokoro's alphabet and the times of its phones; the network itself is tested in `test_engines.py`."""

from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.training.corpus.engines.kokoro import espeak_phonemes, settle_pauses, token_phones
from diffposetalk_ros.training.corpus.speech import CorpusError, Phone

UNITS = np.array([4, 2, 2, 2, 2, 4, 6, 8], np.float32)  # of 25 ms; the ends included


def test_units_are_times_and_ornaments_belong_to_a_neighbour() -> None:
    phones = token_phones(list('aː ˈpy'), UNITS[:8], 0.75, english=False)
    assert [p.name for p in phones] == ['SIL', 'a', 'p', 'y', 'SIL']
    # 55 ms before the units' own edges; p begins where the space before it does.
    assert [round(p.start, 3) for p in phones] == [0.0, 0.045, 0.145, 0.345, 0.495]
    assert phones[-1].end == 0.75
    assert all(a.end == b.start for a, b in zip(phones, phones[1:], strict=False))


def test_english_letters_become_arpabet() -> None:
    phones = token_phones(list('ʧɜɹAT'), np.full(7, 4, np.float32), 0.7, english=True)
    assert [p.name for p in phones] == ['SIL', 'CH', 'ER', 'EY', 'D', 'SIL']


def test_a_mark_that_lips_show_stays() -> None:
    assert token_phones(list('pʲiʰ'), np.full(6, 4, np.float32), 0.6, english=False)[1].name == 'pʲ'


def test_pauses_are_where_nothing_sounds() -> None:
    rate = 16000
    sound = np.zeros(rate, np.float32)
    sound[: round(0.5 * rate)] = 0.3 * np.sin(np.arange(round(0.5 * rate)) * 0.3)
    phones = [Phone(0.0, 0.2, 'a'), Phone(0.2, 0.3, 'SIL'), Phone(0.3, 0.4, 'm'), Phone(0.4, 1.0, 'SIL')]
    # The first pause sounds and goes to a; m ends with its sound.
    assert [(p.start, round(p.end, 2), p.name) for p in settle_pauses(sound, rate, phones)] == [
        (0.0, 0.3, 'a'), (0.3, 0.5, 'm'), (0.5, 1.0, 'SIL'),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ('language', 'text', 'expected'),
    [
        ('it', 'Ciao pizza', 'ʧˈao pˈiʦːa.'),
        ('fr', 'un bon vin', 'œ̃ bˈɔ̃ vˈɛ̃.'),
        ('de', 'Bücher', 'bˈyːçɜ.'),
        ('pt-br', 'nome', 'nˈomɪ.'),
        ('ru', 'мы', 'mˈɨ.'),
    ],
)
def test_espeak_writes_kokoros_alphabet(language: str, text: str, expected: str) -> None:
    try:
        assert espeak_phonemes(language, text) == expected
    except CorpusError as error:
        pytest.skip(str(error))
