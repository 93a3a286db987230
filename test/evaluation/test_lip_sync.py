# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.evaluation.lip_sync import (
    ClosureConfig,
    ClosureScore,
    bilabials,
    closure_score,
    find_closures,
)

FPS = 25.0
Phones = list[tuple[float, float, str]]


def _phones(*names: str, length: float = 0.12, start: float = 0.0) -> Phones:
    return [(start + i * length, start + (i + 1) * length, name) for i, name in enumerate(names)]


def _opening(phones: Phones, seconds: float, delay: float = 0.0, width: float = 0.06) -> np.ndarray:
    """10 mm open, closed for `width` around every bilabial, and shut in pauses."""
    clock = (np.arange(int(seconds * FPS)) + 0.5) / FPS
    opening = np.full(len(clock), 10.0)
    for middle in bilabials(phones):
        depth = np.abs(clock - middle - delay) / width
        opening = np.minimum(opening, np.clip(10 * (depth - 0.5), 0, 10))
    for start, end, name in phones:
        if name == 'SIL':
            opening[(clock >= start) & (clock < end)] = 0.0
    return opening


def _sentence(seed: int, count: int = 60) -> Phones:
    rng = np.random.default_rng(seed)
    names = ['AA' if i % 2 else str(rng.choice(['P', 'B', 'M', 'T', 'K', 'S'])) for i in range(count)]
    return _phones(*names)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_closures_on_the_phones_are_all_found_and_all_right(seed: int) -> None:
    phones = _sentence(seed)
    score = closure_score(_opening(phones, phones[-1][1]), phones)
    assert score.bilabials == len(bilabials(phones)) > 0
    assert score.recall == 1.0
    # A first phone that is a bilabial touches the pause before, so it is not judged.
    assert score.closures >= score.bilabials - 2
    assert score.closures == 0 or score.precision == 1.0


def test_closures_at_wrong_times_score_nothing() -> None:
    phones = _phones(*(['AA', 'P', 'AA', 'T', 'AA', 'K'] * 6))
    late = closure_score(_opening(phones, phones[-1][1], delay=0.24), phones)
    assert late.recall == 0.0
    assert late.precision == 0.0


@pytest.mark.parametrize(('delay', 'recall'), [(0.0, 1.0), (0.06, 1.0), (0.14, 0.0), (-0.14, 0.0)])
def test_tolerance_is_80_ms(delay: float, recall: float) -> None:
    phones = _phones(*(['AA', 'T', 'AA', 'P', 'AA', 'K', 'AA', 'S'] * 5))
    assert closure_score(_opening(phones, phones[-1][1], delay), phones).recall == recall


def test_chance_is_the_share_of_time_within_the_tolerance() -> None:
    rng = np.random.default_rng(3)
    names = ['AA'] * 300
    for place in rng.choice(np.arange(2, 298, 3), 30, replace=False):
        names[place] = 'M'
    phones = _phones(*names)
    score = closure_score(_opening(phones, phones[-1][1]), phones, config=ClosureConfig(shifts=200))
    duration = phones[-1][1]
    # n closures of +-80 ms thrown at random cover this share of the clip.
    expected = 1 - (1 - 0.16 / duration) ** score.bilabials
    assert score.recall == 1.0
    assert score.chance_recall == pytest.approx(expected, abs=0.05)
    assert score.chance_precision == pytest.approx(score.chance_recall, abs=0.05)


def test_mouth_that_never_moves_scores_nothing() -> None:
    phones = _sentence(1)
    frames = int(phones[-1][1] * FPS)
    open_mouth = closure_score(np.full(frames, 8.0), phones)
    assert (open_mouth.recall, open_mouth.closures) == (0.0, 0)
    shut = closure_score(np.zeros(frames), phones)
    assert shut.recall <= 1 / shut.bilabials
    assert shut.closures == 0


def test_fluttering_lips_are_no_better_than_chance() -> None:
    phones = _sentence(2, 200)
    flutter = 5.0 * (np.arange(int(phones[-1][1] * FPS)) % 3 > 0)
    score = closure_score(flutter, phones)
    assert score.recall == pytest.approx(score.chance_recall, abs=0.1)
    assert score.precision == pytest.approx(score.chance_precision, abs=0.1)


def test_neighbouring_bilabials_are_one_gesture() -> None:
    assert len(bilabials(_phones('AA', 'M', 'B', 'AA', 'P'))) == 2
    assert bilabials(_phones('AA', 'M', 'B', 'AA'))[0] == pytest.approx(0.24)
    assert len(bilabials(_phones('AA', 'T'))) == 0


def test_closed_lips_in_pauses_are_not_wrong() -> None:
    phones = _phones('SIL', 'AA', 'P', 'AA', 'SIL', 'SIL', 'AA', 'M', 'AA', 'SIL', length=0.2)
    score = closure_score(_opening(phones, 2.0), phones)
    assert (score.bilabials, score.recall, score.closures, score.precision) == (2, 1.0, 2, 1.0)


def test_bilabial_next_to_a_pause_counts_as_met_but_is_not_judged() -> None:
    phones = _phones('SIL', 'M', 'AA', 'T', 'AA', 'P', 'SIL', length=0.2)
    score = closure_score(_opening(phones, 1.4, width=0.16), phones)
    assert (score.bilabials, score.recall, score.closures) == (2, 1.0, 0)


def test_short_gaps_between_words_are_speech() -> None:
    gap = [(0.0, 0.4, 'AA'), (0.4, 0.5, 'SIL'), (0.5, 1.0, 'AA')]
    opening = np.full(25, 8.0)
    opening[10:12] = 0.0
    (closure,) = find_closures(opening, gap, FPS)
    assert not closure.at_pause
    assert closure.time == pytest.approx(0.44)
    assert (closure.start, closure.end) == pytest.approx((0.4, 0.48))


def test_lips_must_part_between_two_closures() -> None:
    phones = _phones(*['AA'] * 10)
    opening = np.full(30, 8.0)
    opening[10:17] = 0.2
    opening[13] = 0.5
    assert len(find_closures(opening, phones, FPS)) == 1
    opening[13] = 0.9
    assert len(find_closures(opening, phones, FPS)) == 2


def test_only_trusted_seconds_count() -> None:
    phones = _phones(*(['AA', 'T', 'AA', 'P', 'AA', 'K', 'AA', 'S'] * 5))
    opening = _opening(phones, phones[-1][1])
    opening[60:] = 8.0
    whole = closure_score(opening, phones)
    first = closure_score(opening, phones, spans=[(0.0, 2.3)])
    assert whole.recall < 1.0
    assert first.recall == 1.0
    assert first.bilabials == int((bilabials(phones) <= 2.3).sum())


def test_scores_of_clips_add_up() -> None:
    total = ClosureScore(4, 3, 5, 4, 1.0, 5.0, 2.0) + ClosureScore(6, 5, 5, 3, 1.0, 5.0, 1.0)
    assert total.recall == 0.8
    assert total.precision == 0.7
    assert total.chance_recall == 0.2
    assert total.chance_precision == pytest.approx(0.3)
    assert np.isnan(ClosureScore().recall)


def test_speech_without_phones_or_frames_is_empty() -> None:
    assert closure_score(np.empty(0), []) == ClosureScore()
    assert closure_score(np.ones(10), [(0.0, 0.4, 'SIL')]) == ClosureScore()
