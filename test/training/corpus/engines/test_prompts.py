# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.training.corpus.engines.prompts import PROMPT_VOICES, Prompts, prompt_texts
from diffposetalk_ros.training.corpus.speech import CorpusError, Line

TEXTS = {
    'hello': 'Buongiorno a tutti.', 'again': 'Buongiorno a tutti.', 'gap': 'Il numero è ... presente.',
    'beep': '[un tono]', 'lost': 'La linea pu? essere occupata.', 'cut': 'È troppo breve.', 'gone': 'Manca il suono.',
    'long': 'Prema il tasto. ' * 20,
}  # fmt: skip


def packages(root: Path) -> Path:
    """Prompts of all speakers as Debian installs them, said by a tone."""
    av = pytest.importorskip('av', reason='PyAV is not installed')
    for language, folder in PROMPT_VOICES.values():
        texts = root / f'doc/asterisk-core-sounds-{language}/core-sounds-{language}.txt.gz'
        texts.parent.mkdir(parents=True)
        with gzip.open(texts, 'wt', encoding='utf-8') as file:
            file.write(
                '; a comment: no prompt\n' + ''.join(f'{name}: {text}\n' for name, text in TEXTS.items())
            )
        sounds = root / 'asterisk/sounds' / folder
        sounds.mkdir(parents=True)
        for name in TEXTS.keys() - {'gone'}:
            with av.open(str(sounds / f'{name}.g722'), 'w', format='g722') as container:
                stream = container.add_stream('g722', rate=16000, layout='mono')
                tone = 8000 * np.sin(np.arange(1600 if name == 'cut' else 16000) * 0.2)
                frame = av.AudioFrame.from_ndarray(tone.astype(np.int16)[None], 's16', 'mono')
                frame.sample_rate = 16000
                container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
    return root


def test_only_whole_texts_with_a_sound_are_prompts(tmp_path: Path) -> None:
    assert prompt_texts('Carlo', packages(tmp_path)) == ('Buongiorno a tutti.',)


def test_missing_prompts_name_their_package(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match='apt install asterisk-core-sounds-it-g722'):
        Prompts(tmp_path)


def test_a_speaker_says_only_the_prompts(tmp_path: Path) -> None:
    engine = Prompts(packages(tmp_path))
    with pytest.raises(CorpusError, match="Carlo does not speak 'Buonasera.'"):
        engine.speak([Line('Carlo', 'Buonasera.', language='it')])
    with pytest.raises(CorpusError, match="no voice 'Maria'; use Carlo, IvrvoiceRU"):
        engine.speak([Line('Maria', TEXTS['hello'], language='it')])


def test_the_recorded_speakers_are_timed() -> None:
    try:
        engine = Prompts()
        lines = [
            Line(voice, next(text for text in prompt_texts(voice) if len(text) > 40), language=found.language)
            for voice, found in PROMPT_VOICES.items()
        ]
        spoken = engine.speak(lines)
    except CorpusError as error:
        pytest.skip(str(error))
    for speech in spoken:
        assert speech is not None
        assert len([p for p in speech.phones if p.name != 'SIL']) > 25
        assert speech.phones[-1].end == pytest.approx(len(speech.samples) / speech.rate)
