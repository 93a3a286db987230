# SPDX-License-Identifier: Apache-2.0
"""Input and output of every speech engine: a line of text, and sound with phoneme times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from diffposetalk_ros.errors import DiffPoseTalkError

CORPUS_RATE = 16000  # Hz, of every clip on disk


class CorpusError(DiffPoseTalkError):
    """The corpus cannot be built: an engine is missing, or the folder holds another corpus."""


class Phone(NamedTuple):
    """One phone and its time in seconds; `name` is the engine's own name, ARPABET (English) or IPA."""

    start: float
    end: float
    name: str


@dataclass(frozen=True)
class Line:
    """One sentence to say in `language`, English or a key of `languages.LANGUAGES`.

    `stretch` > 1 is slower, `pitch` > 1 higher (where the voice can).
    """

    voice: str
    text: str
    stretch: float = 1.0
    pitch: float = 1.0
    seed: int = 0
    language: str = 'en'


@dataclass(frozen=True)
class Speech:
    """Sound [samples] int16 at `rate` Hz and the phones that cover it without gaps: ARPABET for English, else IPA."""

    samples: npt.NDArray[np.int16]
    rate: int
    phones: tuple[Phone, ...]


class Engine(Protocol):
    """A text-to-speech program that knows when each phone starts."""

    def speak(self, lines: Sequence[Line]) -> Sequence[Speech | None]:
        """Say each line, in order; None for one that the engine fails on."""
        ...
