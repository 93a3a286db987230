# SPDX-License-Identifier: Apache-2.0
"""The audio encoder learns other languages; the rest of the model stays as it is, to the bit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('accelerate')
pytest.importorskip('tensorboard')

import soundfile  # noqa: E402

from diffposetalk_ros.errors import ConfigError  # noqa: E402
from diffposetalk_ros.model.loader import named_styles  # noqa: E402
from diffposetalk_ros.model.store import load_model  # noqa: E402
from diffposetalk_ros.training.data.takes import PHONES  # noqa: E402
from diffposetalk_ros.training.run import RunConfig  # noqa: E402
from diffposetalk_ros.training.tune_audio import Tuning, nearest_english, tune_audio  # noqa: E402
from diffposetalk_ros.util.resources import find_model  # noqa: E402

RUN = RunConfig(steps=2, batch=2, save_every=1, learning_rate=1e-3, ema=0.0)
FEW = Tuning(takes=2, readouts=RUN, audio=RUN, share=0.5)


def corpus(folder: Path, languages: tuple[str, ...]) -> Path:
    """Five seconds of noise in each language."""
    (folder / 'train').mkdir(parents=True)
    rows = []
    for language in languages:
        samples = np.random.default_rng(0).normal(0, 0.1, 80_000).astype(np.float32)
        soundfile.write(folder / 'train' / f'{language}.flac', samples, 16000, format='FLAC')
        phones = [[0.0, 1.0, 'SIL'], [1.0, 2.0, 'AA' if language == 'en' else 'y'], [2.0, 5.0, 'SIL']]
        rows.append(
            {'split': 'train', 'language': language, 'audio': f'train/{language}.flac', 'phones': phones}
        )
    (folder / 'clips.jsonl').write_text(''.join(json.dumps(row) + '\n' for row in rows))
    return folder


def read_as(sound: str) -> str:
    return PHONES[int(nearest_english()[PHONES.index(sound)].argmax())]


def test_sounds_that_english_lacks_count_as_those_with_the_nearest_lips() -> None:
    assert [read_as(sound) for sound in ('p', 'ɑ', 'SIL')] == ['p', 'ɑ', 'SIL']
    assert [read_as(sound) for sound in ('y', 'ʋ', 'x', 'ts')] == ['u', 'v', 'ɡ', 'z']
    np.testing.assert_array_equal(nearest_english().sum(1), np.ones(len(PHONES)))


def test_only_the_audio_encoder_changes(tmp_path: Path) -> None:
    speech = corpus(tmp_path / 'corpus', ('en', 'de'))
    tune_audio(speech, tmp_path / 'work', find_model(), tmp_path / 'whole', replace(FEW, share=1.0))
    tune_audio(speech, tmp_path / 'work', find_model(), tmp_path / 'half', FEW)
    before, whole, half = (
        load_model(path).model for path in (find_model(), tmp_path / 'whole', tmp_path / 'half')
    )
    changed = set()
    for name, value in before.state_dict().items():
        new = whole.state_dict()[name]
        if not torch.equal(value, new):
            changed.add(name.split('.')[0])
        torch.testing.assert_close(half.state_dict()[name], (value + new) / 2)
    assert changed == {'audio_encoder'}
    for name, style in named_styles(find_model()).items():
        np.testing.assert_array_equal(named_styles(tmp_path / 'half')[name], style)


@pytest.mark.parametrize(('languages', 'missing'), [(('en',), 'other languages'), (('fr', 'de'), 'English')])
def test_a_corpus_needs_english_and_other_languages(
    tmp_path: Path, languages: tuple[str, ...], missing: str
) -> None:
    with pytest.raises(ConfigError, match=missing):
        tune_audio(
            corpus(tmp_path / 'c', languages),
            tmp_path / 'work',
            find_model(),
            tmp_path / 'out',
            FEW,
        )


def test_takes_of_an_earlier_run_are_not_taken_for_others(tmp_path: Path) -> None:
    speech = corpus(tmp_path / 'corpus', ('en', 'de'))
    tune_audio(speech, tmp_path / 'work', find_model(), tmp_path / 'out', FEW)
    with pytest.raises(ConfigError, match='holds 2 takes, not 3'):
        tune_audio(speech, tmp_path / 'work', find_model(), tmp_path / 'out', replace(FEW, takes=3))
    with pytest.raises(ConfigError, match='1 takes; one batch needs 2'):
        replace(FEW, takes=1)


def test_a_share_lies_between_0_and_1() -> None:
    with pytest.raises(ConfigError, match='share 1.5'):
        Tuning(share=1.5)
