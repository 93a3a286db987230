# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from diffposetalk_ros.training.corpus import build
from diffposetalk_ros.training.corpus.build import build_corpus, join_speech, read_clips
from diffposetalk_ros.training.corpus.languages import sentences_of, spoken_form
from diffposetalk_ros.training.corpus.speech import CorpusError, Phone, Speech


def test_sentences_are_joined_with_silence_that_is_labelled() -> None:
    tone = (8000 * np.sin(np.arange(22050) * 0.2)).astype(np.int16)
    part = Speech(tone, 22050, (Phone(0, 0.2, 'SIL'), Phone(0.2, 1.0, 'AA')))
    clip = join_speech([part, part], (0.1, 0.5, 0.3), -26)
    assert [p.name for p in clip.phones] == ['SIL', 'AA', 'SIL', 'AA', 'SIL']
    assert [p.end for p in clip.phones] == pytest.approx([0.3, 1.1, 1.8, 2.6, 2.9], abs=1e-3)
    assert clip.phones[-1].end == pytest.approx(len(clip.samples) / 16000)
    assert not clip.samples[1700:1500].any() and not clip.samples[: 16000 // 10].any()
    voiced = clip.samples[np.abs(clip.samples) > 1e-4]
    assert 20 * np.log10(np.sqrt(np.mean(voiced**2))) == pytest.approx(-26, abs=0.5)


@pytest.fixture
def few_sentences(monkeypatch: pytest.MonkeyPatch, kokoro: Path | None) -> None:
    names = ['cat', 'dog', 'bird', 'boat', 'man', 'girl', 'boy', 'king', 'pig', 'fish', 'frog', 'hat']
    verbs = ['sat', 'lay', 'stood', 'slept']
    sizes = ['big', 'small', 'red', 'green', 'old', 'poor']
    places = ['on a mat', 'in the house', 'by the river', 'near the door', 'under a tree']
    sentences = [f'the {a} {b} {c} {d}' for a in sizes for b in names for c in verbs for d in places]
    monkeypatch.setattr(build, 'read_sentences', lambda: sentences)
    monkeypatch.setattr('diffposetalk_ros.training.corpus.plan._DEV_SENTENCES', 2)
    try:
        for engine in build.ENGINES.values():
            engine(kokoro)
        for language in ('it', 'cmn', 'ja'):
            spoken_form(language, sentences_of(language, held_out=False)[0])
    except CorpusError as error:
        pytest.skip(str(error))


def test_an_interrupted_corpus_goes_on_and_is_the_same(
    tmp_path: Path, few_sentences: None, monkeypatch: pytest.MonkeyPatch, kokoro: Path | None
) -> None:
    monkeypatch.setattr(build, '_BATCH', 4)
    whole = build_corpus(tmp_path / 'a', 0.012, 0, kokoro=kokoro)

    class Interrupted(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done >= 4:
            raise Interrupted

    with pytest.raises(Interrupted):
        build_corpus(tmp_path / 'b', 0.012, 0, progress=stop, kokoro=kokoro)
    assert json.loads((tmp_path / 'b/manifest.json').read_text())['complete'] is False
    with (tmp_path / 'b/clips.jsonl').open('a') as torn:
        torn.write('{"id": "train-0')
    assert build_corpus(tmp_path / 'b', 0.012, 0, kokoro=kokoro) == whole

    clips = read_clips(tmp_path / 'a')
    assert clips == read_clips(tmp_path / 'b') and len(clips) == whole['clips']
    for clip in clips:
        samples, rate = soundfile.read(tmp_path / 'a' / clip['audio'], dtype='int16')
        again, _ = soundfile.read(tmp_path / 'b' / clip['audio'], dtype='int16')
        assert rate == 16000 and len(samples) == clip['samples'] and np.array_equal(samples, again)
        assert clip['phones'][0][0] == 0 and clip['phones'][-1][1] == pytest.approx(
            len(samples) / 16000, abs=1e-4
        )
        assert all(a[1] == b[0] for a, b in zip(clip['phones'], clip['phones'][1:], strict=False))

    with pytest.raises(CorpusError, match='another corpus'):
        build_corpus(tmp_path / 'a', 0.012, 1, kokoro=kokoro)
