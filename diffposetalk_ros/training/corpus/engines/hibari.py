# SPDX-License-Identifier: Apache-2.0
"""hibari, a small neural voice (PyPI, Apache-2.0, voice inside the wheel).

Its network gives no phone times, so pocketsphinx aligns them (median error 10 ms, see
`training/corpus/alignment.py`). A line whose words it does not know is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffposetalk_ros.training.corpus.speech import CorpusError, Line, Speech
from diffposetalk_ros.training.corpus.timed import timed_speech

HIBARI_VOICES = ('heart',)
"""Voices that come with the package; the others would be downloads."""


class Hibari:
    """The voice heart (American English, female); stretch is the engine's own, pitch is fixed."""

    def __init__(self) -> None:
        """Load the network. CorpusError names a missing package."""
        try:
            from hibari import Hibari as Engine
        except ImportError as error:
            raise CorpusError(f'hibari is not installed ({error}); run: pip install hibari-tts') from error
        self._engine = Engine()

    def speak(self, lines: Sequence[Line]) -> list[Speech | None]:
        """Say each line; None if its phones could not be aligned."""
        return [self._say(line) for line in lines]

    def _say(self, line: Line) -> Speech | None:
        if line.voice not in HIBARI_VOICES:
            raise CorpusError(f'hibari voice {line.voice!r} is not one of {", ".join(HIBARI_VOICES)}')
        sound = self._engine(line.text, speed=1.0 / line.stretch, seed=line.seed)
        return timed_speech(np.asarray(sound, np.float32), self._engine.sample_rate, line.text)
