# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.evaluation.bars import Bar, bars
from diffposetalk_ros.evaluation.comparison import Scores
from diffposetalk_ros.evaluation.lip_sync import ClosureScore
from diffposetalk_ros.evaluation.style_scores import StyleScores


def _scores(met: int, right: int, lve: float = 2.0, r: float = 0.8) -> Scores:
    closures = ClosureScore(100, met, 100, right)
    return Scores(5, 10.0, 1.0, closures, np.full(8, r), lve, 0.0, 0.0, 0.5, 0.95, 1.0)


def _named(found: list[Bar]) -> dict[str, Bar]:
    return {bar.name: bar for bar in found}


def test_real_speech_is_judged_per_set_and_pooled() -> None:
    scores = {'asterisk': {'few': _scores(70, 50)}, 'librivox': {'few': _scores(95, 90, r=0.7)}}
    found = _named(bars(scores, 'few', None, None))
    assert found['closure recall, real speech'].value == pytest.approx(0.825)
    assert found['closure recall, real speech'].met
    assert not found['closure recall, asterisk'].met
    assert found['closure precision, librivox'].met
    assert not found['viseme r, librivox'].met
    assert len(found) == 8


def test_synthetic_speech_and_styles_have_their_own_bars() -> None:
    found = _named(bars({'dev': {'few': _scores(89, 80)}}, 'few', None, StyleScores(0.9, 100, 0.65, 20)))
    assert not found['closure recall, dev'].met
    assert found['closure precision, dev'].met
    assert found['jaw r, dev'].met
    assert found['style encoder, top-1 of 100'].met
    assert not found['generated style, top-1 of 20'].met


def test_few_steps_may_lose_three_percent_on_the_clips_both_answered() -> None:
    scores = {
        'asterisk': {'few': _scores(10, 10)},
        'asterisk, part': {'few': _scores(88, 90, lve=2.05), 'many': _scores(90, 85, lve=2.0)},
    }
    found = _named(bars(scores, 'few', 'many', None))
    recall = found['closure recall lost by few against many']
    assert recall.value == pytest.approx(1 - 88 / 90)
    assert recall.met
    assert found['closure precision lost by few against many'].value < 0
    assert found['LVE lost by few against many'].value == pytest.approx(0.025)


def test_a_value_that_is_missing_is_not_met() -> None:
    assert not Bar('x', float('nan'), 0.5).met
    assert not Bar('x', float('nan'), at_most=0.5).met
