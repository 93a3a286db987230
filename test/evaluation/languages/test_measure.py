# SPDX-License-Identifier: Apache-2.0
"""What the measures by language say of a face that knows the phones, and of one that does not move."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.evaluation.languages.measure import LanguageReport, LanguageScore, measure_voice
from diffposetalk_ros.evaluation.languages.report import write_language_report
from diffposetalk_ros.evaluation.reference import reference_motion
from diffposetalk_ros.evaluation.speech_sets import SpeechClip
from diffposetalk_ros.motion.rig import load_rig
from diffposetalk_ros.training.animator import named_style

SAID = [
    'SIL', 'p', 'y', 't̪', 'ɯ', 'n', 'a', 'm', 'u', 'β', 'ø', 'k', 'o',
    'v', 'pʲ', 'a', 'bʱ', 'y', 's', 'u', 'd', 'ɯ', 'm', 'a', 'SIL',
]  # fmt: skip
EDGES = np.cumsum([0, 0.4, *[0.12] * (len(SAID) - 2), 0.4])


@pytest.fixture(scope='module')
def clip() -> SpeechClip:
    phones = tuple((float(a), float(b), p) for a, b, p in zip(EDGES, EDGES[1:], SAID, strict=False))
    samples = np.random.default_rng(0).normal(0, 0.05, int(EDGES[-1] * 16000)).astype(np.float32)
    return SpeechClip('made', 'made', 'test', samples, '', phones)


@pytest.fixture(scope='module')
def ideal(clip: SpeechClip) -> LanguageScore:
    return measure_voice([clip], lambda c: reference_motion(c, named_style('neutral'), 0), load_rig())


def test_the_animator_closes_and_rounds_the_lips_of_every_language(ideal: LanguageScore) -> None:
    assert ideal.closures.bilabials == 5 and ideal.closures.recall == 1 and ideal.closures.precision == 1
    assert ideal.bilabials == {'p': (2, 2), 'b': (1, 1), 'm': (2, 2)} and not ideal.false
    assert ideal.rounded('y') > 0.8 * ideal.rounded('u') and ideal.rounded('ø') > 0.8 * ideal.rounded('o')
    assert ideal.rounded('ɯ') < 0.3 * ideal.rounded('u')


def test_a_face_at_the_wrong_time_is_told(clip: SpeechClip) -> None:
    late = measure_voice(
        [clip], lambda c: np.roll(reference_motion(c, named_style('neutral'), 0), 6, axis=0), load_rig()
    )
    assert late.closures.recall < 0.7 and sum(late.false.values()) >= 2


def test_scores_add_up(ideal: LanguageScore) -> None:
    both = ideal + ideal
    assert both.bilabials['p'] == (4, 4) and both.closures.bilabials == 10
    assert both.rounded('y') == pytest.approx(ideal.rounded('y'))
    assert both.seconds == pytest.approx(2 * ideal.seconds)


def test_the_report_names_what_is_missing(tmp_path: Path, ideal: LanguageScore) -> None:
    report = LanguageReport(
        {'model': 'made'},
        {'fr': {'klatt4': ideal}},
        {'it lp': ideal},
        ['ja mei: run: apt install open-jtalk'],
    )
    text, data = write_language_report(report, tmp_path / 'report.md')
    page = text.read_text(encoding='utf-8')
    assert (
        '| fr | French | 1.00 (' in page
        and '| it lp | Italian |' in page
        and 'apt install open-jtalk' in page
    )
    y, u, o = (ideal.rounded(vowel) for vowel in 'yuo')
    assert f'| fr | {y:.2f} (2) | {ideal.rounded("ø"):.2f} (1) | {u:.2f} (2) | {o:.2f} (1) |' in page
    assert f'| all | | | | | | {y / u:.2f} | {ideal.rounded("ø") / o:.2f} |' in page
    assert (
        json.loads(data.read_text(encoding='utf-8'))['espeak']['fr']['klatt4']['closures']['bilabials'] == 5
    )
