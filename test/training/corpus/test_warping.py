# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import soxr

from diffposetalk_ros.training.corpus.engines.espeak import Espeak
from diffposetalk_ros.training.corpus.speech import CORPUS_RATE, CorpusError, Line, Speech
from diffposetalk_ros.training.corpus.warping import time_speech, warp

TEXT = 'La mamma prepara il pane e beve un bicchiere di birra.'


def said(variant: str, text: str, stretch: float) -> Speech:
    try:
        found = Espeak().speak([Line(f'it+{variant}', text, stretch, language='it')])[0]
    except CorpusError as error:
        pytest.skip(str(error))
    assert found is not None
    return found


def sound_of(speech: Speech) -> np.ndarray:
    return soxr.resample(speech.samples.astype(np.float32) / 32768, speech.rate, CORPUS_RATE)


def test_a_sequence_that_was_slowed_down_is_found_again() -> None:
    first = np.random.default_rng(0).normal(size=(40, 8))
    path, distance = warp(first, np.repeat(first, 3, axis=0))
    assert distance == pytest.approx(0, abs=1e-9)
    assert set(map(tuple, path)) == {(k // 3, k) for k in range(120)}


def test_a_path_goes_from_the_starts_to_the_ends_without_gaps() -> None:
    rng = np.random.default_rng(1)
    path, distance = warp(rng.normal(size=(30, 4)), rng.normal(size=(47, 4)))
    assert tuple(path[0]) == (0, 0) and tuple(path[-1]) == (29, 46)
    assert set(map(tuple, np.diff(path, axis=0))) <= {(0, 1), (1, 0), (1, 1)}
    assert 0 < distance < 2


def test_another_voice_at_another_speed_gets_its_own_times() -> None:
    truth = said('m3', TEXT, 1.3)
    [timed] = time_speech([sound_of(truth)], [Line('', TEXT, language='it')])
    assert timed is not None
    assert timed.phones[0].start == 0
    assert timed.phones[-1].end == pytest.approx(len(timed.samples) / CORPUS_RATE)
    assert all(a.end == b.start for a, b in zip(timed.phones, timed.phones[1:], strict=False))

    def labials(speech: Speech) -> np.ndarray:
        return np.array([(p.start + p.end) / 2 for p in speech.phones if p.name[0] in 'pbm'])

    assert len(labials(timed)) == len(labials(truth)) == 9
    assert np.abs(labials(timed) - labials(truth)).max() < 0.04


def test_other_words_get_no_times() -> None:
    other = said('m3', 'Domani andremo tutti insieme alla stazione.', 1.0)
    assert time_speech([sound_of(other), None], [Line('', TEXT, language='it')] * 2) == [None, None]


def test_silence_gets_no_times() -> None:
    said('f1', TEXT, 1.0)
    line = Line('', TEXT, language='it')
    silences = [np.zeros(count, np.float32) for count in (0, 100, CORPUS_RATE)]
    assert time_speech(silences, [line] * 3) == [None] * 3
