# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.evaluation import speech_sets

soundfile = pytest.importorskip('soundfile')


def test_missing_packages_say_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='apt-get install asterisk'):
        next(speech_sets.asterisk_prompts(tmp_path, tmp_path / 'text.gz'))
    with pytest.raises(ConfigError, match='apt-get install pocketsphinx-testdata'):
        next(speech_sets.librivox_clips(tmp_path))


@pytest.mark.parametrize('content', ['[]', '{"a.wav": 3}', '{"a.wav": {}}', 'no JSON'])
def test_malformed_transcripts_are_explained(tmp_path: Path, content: str) -> None:
    (tmp_path / 'transcripts.json').write_text(content)
    with pytest.raises(ConfigError, match='transcripts.json must be JSON'):
        next(speech_sets.own_clips(tmp_path))


def test_own_clips_are_read_at_16_khz_mono(tmp_path: Path) -> None:
    soundfile.write(tmp_path / 'a.wav', np.full((44100, 2), 0.25), 44100)
    entry = {'a.wav': {'text': 'good morning', 'spans': [[0, 0.5]]}}
    (tmp_path / 'transcripts.json').write_text(json.dumps(entry))
    (clip,) = speech_sets.own_clips(tmp_path)
    assert clip.samples.shape == (16000,)
    assert clip.samples.dtype == np.float32
    assert clip.spans == ((0.0, 0.5),)
    assert clip.samples[8000] == pytest.approx(0.25, abs=1e-3)


def test_prompts_with_digits_or_directions_are_left_out() -> None:
    assert speech_sets.speakable('Please enter your number')
    for text in ('[ascending tones and more]', 'Press 1 for more help', 'Too short'):
        assert not speech_sets.speakable(text)


def test_written_clips_read_back(tmp_path: Path) -> None:
    pytest.importorskip('pocketsphinx')
    if not speech_sets.LIBRIVOX.is_dir():
        pytest.skip('needs the Debian package pocketsphinx-testdata')
    recording = next(speech_sets.librivox_clips())
    lost = speech_sets.Transcribed('lost', 'x', 'clips', recording.samples[:16000], 'qqqq')
    clips, refused = speech_sets.time_phones([recording, lost])
    assert [c.id for c in clips] == [recording.id]
    assert len(refused) == 1 and refused[0].startswith('lost')
    speech_sets.write_clips(clips, tmp_path)
    (clip,) = speech_sets.load_clips(tmp_path / 'clips.jsonl', ('librivox',))
    assert clip.phones == clips[0].phones
    assert clip.spans is None
    assert clip.duration == pytest.approx(len(recording.samples) / 16000)
    assert not speech_sets.load_clips(tmp_path / 'clips.jsonl', ('asterisk',))
    assert not speech_sets.load_clips(tmp_path / 'clips.jsonl', limit=0)
