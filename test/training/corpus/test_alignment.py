# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.errors import AudioError
from diffposetalk_ros.evaluation import speech_sets
from diffposetalk_ros.training.corpus.alignment import PAUSE, align, normalise_text

pytest.importorskip('pocketsphinx')


def test_text_becomes_dictionary_words() -> None:
    assert normalise_text("Pre-Christmas, 'it’s'  ...OK!") == "pre christmas it's ok"


def test_transcript_without_words_is_refused() -> None:
    with pytest.raises(AudioError, match='no English words'):
        align(np.zeros(16000, np.float32), '123')


def test_unknown_word_is_named() -> None:
    with pytest.raises(AudioError, match='xyzzyq'):
        align(np.zeros(16000, np.float32), 'hello xyzzyq')


@pytest.fixture(scope='module')
def recording() -> speech_sets.Transcribed:
    if not speech_sets.LIBRIVOX.is_dir():
        pytest.skip('needs the Debian package pocketsphinx-testdata')
    return next(r for r in speech_sets.librivox_clips() if r.id.endswith('0880'))


def test_phones_cover_the_clip_and_spell_the_words(recording: speech_sets.Transcribed) -> None:
    phones = align(recording.samples, recording.text)
    assert phones[0][0] == 0.0
    assert phones[-1][1] == pytest.approx(len(recording.samples) / 16000, abs=1e-3)
    for (_, end, _), (start, _, _) in zip(phones, phones[1:], strict=False):
        assert start == pytest.approx(end, abs=1e-3)
    spoken = [name for _, _, name in phones if name != PAUSE]
    assert spoken[:5] == ['HH', 'IY', 'W', 'AH', 'Z']


def test_energy_is_in_the_phones_not_in_the_pauses(recording: speech_sets.Transcribed) -> None:
    phones = align(recording.samples, recording.text)
    power: dict[bool, list[float]] = {True: [], False: []}
    for start, end, name in phones:
        piece = recording.samples[int(start * 16000) : int(end * 16000)]
        power[name == PAUSE].append(float(np.mean(piece**2)))
    assert np.mean(power[False]) > 5 * np.mean(power[True])


def test_result_does_not_depend_on_what_came_before(recording: speech_sets.Transcribed) -> None:
    phones = align(recording.samples, recording.text)
    noise = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    with pytest.raises(AudioError, match='do not fit the audio'):
        align(noise, 'good morning')
    assert align(recording.samples, recording.text) == phones
