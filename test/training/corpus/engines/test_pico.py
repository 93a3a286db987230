# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from diffposetalk_ros.training.corpus.engines.pico import PICO_VOICES, Pico
from diffposetalk_ros.training.corpus.speech import CorpusError, Line

TEXTS = {
    'de': 'Bitte prüfen Sie die Eingabe.', 'es': 'El pan y el vino son buenos.', 'fr': 'Le petit bateau part demain.',
    'it': 'La mamma prepara il pane.',
}  # fmt: skip


@pytest.fixture(scope='module')
def pico() -> Pico:
    try:
        return Pico()
    except CorpusError as error:
        pytest.skip(str(error))


def test_every_voice_speaks_its_language_and_is_timed(pico: Pico) -> None:
    lines = [Line(voice, TEXTS[code], language=code) for code, voice in PICO_VOICES.items()]
    try:
        spoken = pico.speak([*lines, *(Line(x.voice, x.text, 1.25, language=x.language) for x in lines)])
    except CorpusError as error:
        pytest.skip(str(error))
    for plain, slow in zip(spoken[: len(lines)], spoken[len(lines) :], strict=True):
        assert plain is not None and slow is not None
        assert {'p', 'm', 'b'} & {p.name[0] for p in plain.phones}
        # The engine rounds in its own way.
        assert 1.15 < len(slow.samples) / len(plain.samples) < 1.6


def test_a_voice_speaks_no_other_language(pico: Pico) -> None:
    with pytest.raises(CorpusError, match="no voice 'it-IT' for 'fr'"):
        pico.speak([Line('it-IT', TEXTS['fr'], language='fr')])
