# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.errors import StyleError
from diffposetalk_ros.evaluation.retrieval import top1_retrieval

CODES = np.random.default_rng(0).normal(size=(100, 128))


def test_every_code_finds_itself_whatever_its_length() -> None:
    assert top1_retrieval(3.0 * CODES, CODES) == 1.0


def test_foreign_codes_find_their_row_by_chance() -> None:
    foreign = np.random.default_rng(1).normal(size=(2000, 128))
    share = top1_retrieval(foreign, CODES, np.arange(2000) % 100)
    assert share == pytest.approx(0.01, abs=0.01)


def test_constant_codes_find_nothing() -> None:
    assert top1_retrieval(np.ones((10, 4)), np.ones((10, 4))) == 0.0


def test_labels_name_the_row() -> None:
    order = np.random.default_rng(2).permutation(100)
    assert top1_retrieval(CODES[order], CODES, order) == 1.0
    assert top1_retrieval(CODES[order], CODES) < 0.1


def test_only_rivals_are_mistaken_for_it() -> None:
    twice = np.concatenate([CODES, CODES])
    person = np.arange(200) % 100
    assert top1_retrieval(twice, twice) == 0.0
    assert top1_retrieval(twice, twice, rivals=person[:, None] != person[None]) == 1.0
    with pytest.raises(StyleError, match='rivals'):
        top1_retrieval(twice, twice, rivals=np.ones((200, 100), bool))


@pytest.mark.parametrize(
    ('queries', 'gallery'), [(CODES, CODES[:, 1:]), (CODES, CODES[:5]), (CODES[:0], CODES)]
)
def test_codes_that_do_not_fit_are_refused(queries: np.ndarray, gallery: np.ndarray) -> None:
    with pytest.raises(StyleError):
        top1_retrieval(queries, gallery)
