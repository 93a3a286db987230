# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from diffposetalk_ros.training.corpus.speech import CorpusError
from diffposetalk_ros.training.corpus.text import (
    dictionary_words,
    examples,
    is_held_out,
    is_speakable,
    read_sentences,
)

WORDS = frozenset(['the', 'cat', 'sat', 'on', 'a', 'mat', "don't", 'said', 'he', 'hell'])


def test_sentences_are_plain_known_and_not_rude() -> None:
    assert is_speakable('the cat sat on a mat', WORDS)
    assert is_speakable("he said, 'the cat don't'", WORDS)
    assert not is_speakable('the cat sat', WORDS)  # too short
    assert not is_speakable('the cat sat on a sofa', WORDS)  # unknown word
    assert not is_speakable('the cat sat on 7 mats', WORDS)
    assert not is_speakable('he said the hell on a mat', WORDS)


def test_examples_of_an_offensive_sense_are_left_out() -> None:
    assert examples(' a pet; "the cat sat"; "a cat;"') == ['the cat sat', 'a cat']
    assert examples(' (ethnic slur) a name; "the cat sat"') == []


def test_wordnet_files_are_parsed(tmp_path: Path) -> None:
    row = '00001740 03 n 01 cat 0 000 | a pet; "the cat sat on a mat"; "no"  \n'
    for part in ('noun', 'verb', 'adj', 'adv'):
        (tmp_path / f'data.{part}').write_text('  1 "the cat sat on a mat he said" | licence\n' + row)
    assert read_sentences(tmp_path, WORDS) == ['the cat sat on a mat']


def test_missing_files_name_the_apt_package(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match='apt install wordnet-base'):
        read_sentences(tmp_path, WORDS)
    with pytest.raises(CorpusError, match='apt install festlex-cmu'):
        dictionary_words(tmp_path / 'none')


def test_about_one_sentence_in_a_hundred_is_held_out() -> None:
    held = sum(is_held_out(f'sentence number {k}') for k in range(10000))
    assert 60 < held < 140
