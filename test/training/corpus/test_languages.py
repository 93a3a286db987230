# SPDX-License-Identifier: Apache-2.0
"""Sentences of other languages, and what of them is kept for the evaluation."""

from __future__ import annotations

import pytest

from diffposetalk_ros.training.corpus.languages import LANGUAGES, sentences_of, spoken_form
from diffposetalk_ros.training.corpus.speech import CorpusError

django = pytest.importorskip('django', reason='the sentences come with PyPI Django')


@pytest.mark.parametrize('code', ['en', 'it', 'ru', 'ja', 'cmn', 'sw'])
def test_sentences_are_speakable_and_the_evaluation_has_its_own(code: str) -> None:
    said, kept = set(sentences_of(code, held_out=False)), set(sentences_of(code, held_out=True))
    assert len(said) > 80 and len(kept) > 8 and not said & kept
    assert not any(set('%{}<>\n') & set(text) for text in said | kept)


def test_every_language_has_sentences() -> None:
    assert len(LANGUAGES) >= 16
    assert all(len(sentences_of(code, held_out=False)) > 50 for code in LANGUAGES)


def test_an_unknown_language_is_named() -> None:
    with pytest.raises(CorpusError, match="'xx'"):
        sentences_of('xx', held_out=True)


def test_mandarin_is_read_as_pinyin_and_japanese_as_kana() -> None:
    pytest.importorskip('pypinyin')
    assert spoken_form('cmn', '你好') == 'ni3 hao3'
    pytest.importorskip('pyopenjtalk')
    assert spoken_form('ja', '日本') == 'ニホン'
    assert spoken_form('it', 'ciao') == 'ciao'
