# SPDX-License-Identifier: Apache-2.0
"""Recorded people: Asterisk's telephone prompts in Italian and Russian (CC BY 3.0), in Debian with their texts.

A line can only be said if it is one of the prompts. Pitch and speed are those of the recording. The phone times come
from `warping`. The prompts in English, French and Spanish are not used: their licence asks to share alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from diffposetalk_ros.training.corpus.asterisk import read_g722, read_texts
from diffposetalk_ros.training.corpus.speech import CorpusError, Line, Speech
from diffposetalk_ros.training.corpus.warping import time_speech

__all__ = ['PROMPT_VOICES', 'Prompts', 'prompt_texts']

_SHARE: Final = Path('/usr/share')
# Brackets describe a tone, dots in a row leave a gap, and ? inside a word stands for a letter that was lost.
_DOUBTFUL: Final = re.compile(r'[\[\](){}<>]|\.\.|…|\?\w|\w\?\s+[a-zа-я]')
_SMALLEST: Final = 4000  # bytes, half a second; some files are empty
_LONGEST: Final = 160  # characters; a reading of several sentences drifts


class _Voice(NamedTuple):
    language: str
    folder: str


PROMPT_VOICES: Final = {
    'Carlo': _Voice('it', 'it_IT_m_Carlo'),  # Carlo Flora
    'IvrvoiceRU': _Voice('ru', 'ru_RU_f_IvrvoiceRU'),  # provided by Maxim Topal
}
"""The speakers, by the name in the package's folder."""


@lru_cache(maxsize=4)
def _prompts(voice: str, share: Path) -> dict[str, Path]:
    """Sound file of each text."""
    language, folder = PROMPT_VOICES[voice]
    package = f'asterisk-core-sounds-{language}'
    texts, sounds = (
        share / 'doc' / package / f'core-sounds-{language}.txt.gz',
        share / 'asterisk/sounds' / folder,
    )
    if not texts.is_file() or not any(sounds.glob('*.g722')):
        raise CorpusError(f'the prompts of {voice} are not at {sounds}; run: apt install {package}-g722')
    found: dict[str, Path] = {}
    for name, text in sorted(read_texts(texts).items()):
        path = sounds / f'{name}.g722'
        said = path.is_file() and path.stat().st_size >= _SMALLEST
        if said and len(text) <= _LONGEST and not _DOUBTFUL.search(text):
            found.setdefault(text, path)
    return found


def prompt_texts(voice: str, share: Path = _SHARE) -> tuple[str, ...]:
    """What a voice of PROMPT_VOICES says. CorpusError names a missing package."""
    return tuple(_prompts(voice, share))


class Prompts:
    """The speakers of PROMPT_VOICES."""

    def __init__(self, share: Path = _SHARE) -> None:
        """Look for the prompts of all speakers; CorpusError names a missing package."""
        self._share = share
        for voice in PROMPT_VOICES:
            _prompts(voice, share)

    def speak(self, lines: Sequence[Line]) -> list[Speech | None]:
        """The prompt of each line; None if its phones could not be timed."""
        return time_speech([self._read(line) for line in lines], lines)

    def _read(self, line: Line) -> npt.NDArray[np.float32]:
        if line.voice not in PROMPT_VOICES:
            raise CorpusError(f'prompts have no voice {line.voice!r}; use {", ".join(PROMPT_VOICES)}')
        path = _prompts(line.voice, self._share).get(line.text)
        if path is None:
            raise CorpusError(f'{line.voice} does not speak {line.text!r}')
        return read_g722(path)
