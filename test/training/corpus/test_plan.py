# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import pytest

from diffposetalk_ros.training.corpus.languages import LANGUAGES, sentences_of
from diffposetalk_ros.training.corpus.plan import ClipPlan, plan_corpus
from diffposetalk_ros.training.corpus.speech import CorpusError
from diffposetalk_ros.training.corpus.text import is_held_out

pytest.importorskip('django', reason='the sentences of other languages come with PyPI Django')


@pytest.fixture(autouse=True)
def prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts as those of the recorded prompts, so that a plan needs no package."""
    monkeypatch.setattr(
        'diffposetalk_ros.training.corpus.plan.prompt_texts',
        lambda voice: [f'{voice} dice il messaggio {k}' for k in range(400)],
    )


SENTENCES = [f'this is the sentence with number {k}' for k in range(5000)]


def share_of(plans: list[ClipPlan], chosen: Callable[[ClipPlan], bool]) -> float:
    seconds: dict[bool, float] = defaultdict(float)
    for plan in plans:
        if plan.split == 'train':
            seconds[chosen(plan)] += plan.expected_seconds()
    return seconds[True] / sum(seconds.values())


def test_a_plan_follows_from_its_seed() -> None:
    assert plan_corpus(SENTENCES, 0.5, 3) == plan_corpus(SENTENCES, 0.5, 3)
    assert plan_corpus(SENTENCES, 0.5, 3) != plan_corpus(SENTENCES, 0.5, 4)


def test_every_beginning_has_the_shares_of_the_voices() -> None:
    plans = plan_corpus(SENTENCES, 4, 0)
    for part in (plans, plans[: len(plans) // 3]):
        assert share_of(part, lambda p: p.engine == 'espeak') == pytest.approx(0.19, abs=0.03)
        assert share_of(part, lambda p: p.voice.startswith('slt')) == pytest.approx(0.11, abs=0.02)
    assert min(p.expected_seconds() / p.lines[0].stretch for p in plans if p.split == 'train') >= 4.8
    assert sum(p.expected_seconds() for p in plans if p.split == 'train') == pytest.approx(4 * 3600, rel=0.01)


def test_held_out_voices_and_sentences_are_never_trained_on() -> None:
    plans = plan_corpus(SENTENCES, 2, 1)
    train = [p for p in plans if p.split == 'train']
    dev = [p for p in plans if p.split == 'dev']
    assert {p.voice for p in dev} == {'rms', 'en-GB-scotland+m3'}
    assert not {p.voice for p in train} & {p.voice for p in dev}
    assert all(is_held_out(line.text) for p in dev for line in p.lines)
    english = [line.text for p in train for line in p.lines if line.language == 'en']
    assert english and not any(map(is_held_out, english))
    assert not any(line.voice.endswith(('+klatt4', '+f2', '+m3')) for p in train for line in p.lines)
    assert not any(
        line.text in sentences_of(line.language, held_out=True)
        for p in train
        for line in p.lines
        if p.engine != 'prompts' and line.language != 'en'
    )
    assert len({p.id for p in plans}) == len(plans)
    assert {p.voice for p in plan_corpus(SENTENCES, 2, 1, ()) if p.split == 'train'} >= {'rms', 'awb'}


def test_half_is_english_and_the_rest_is_in_many_languages() -> None:
    plans = plan_corpus(SENTENCES, 6, 0)
    assert 0.5 <= share_of(plans, lambda p: p.lines[0].language == 'en') <= 0.6
    assert share_of(plans, lambda p: p.engine == 'espeak') <= 0.25
    assert {p.lines[0].language for p in plans} == {'en', *LANGUAGES}


def test_copies_are_made_of_recorded_voices_only() -> None:
    plans = plan_corpus(SENTENCES, 2, 1, copies=0.25)
    recorded = [p for p in plans if p.split == 'train' and p.engine != 'espeak']
    made = [p for p in plans if p.conversion]
    assert {p.split for p in made} == {'train'} and {p.engine for p in made} == {
        'flite', 'festival', 'hibari', 'kokoro', 'pico', 'prompts',
    }  # fmt: skip
    assert 0.2 < len(made) / len(recorded) < 0.3
    for plan in made:
        assert (
            plan.conversion
            and 80 <= plan.conversion.pitch_hz <= 280
            and 0.8 <= plan.conversion.formant <= 1.3
        )


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(CorpusError, match='0 hours'):
        plan_corpus(SENTENCES, 0, 0)
    with pytest.raises(CorpusError, match="'rms'"):
        plan_corpus(SENTENCES, 1, 0, ('rms',))
    with pytest.raises(CorpusError, match='share of 2'):
        plan_corpus(SENTENCES, 1, 0, copies=2)
    with pytest.raises(CorpusError, match='no sentence'):
        plan_corpus(['one sentence is not enough'], 1, 0)
