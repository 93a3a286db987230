# SPDX-License-Identifier: Apache-2.0
"""SVOX Pico (PyPI `ttspico`, Apache-2.0): voices modelled on recorded people, in German, Spanish, French and Italian.

The engine gives no phone times; they come from `warping`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from diffposetalk_ros.training.corpus.speech import CorpusError, Line, Speech
from diffposetalk_ros.training.corpus.warping import time_speech

PICO_VOICES: Final = {'de': 'de-DE', 'es': 'es-ES', 'fr': 'fr-FR', 'it': 'it-IT'}
"""The voice of each language."""


class Pico:
    """One voice of each language; stretch and pitch are the engine's own."""

    def __init__(self) -> None:
        """Load the engine. CorpusError names a missing package."""
        try:
            import ttspico
        except ImportError as error:
            raise CorpusError(f'Pico is not installed ({error}); run: pip install ttspico') from error
        self._voices = {voice: ttspico.TtsEngine(voice) for voice in PICO_VOICES.values()}

    def speak(self, lines: Sequence[Line]) -> list[Speech | None]:
        """Say each line; None if its phones could not be timed."""
        return time_speech([self._say(line) for line in lines], lines)

    def _say(self, line: Line) -> npt.NDArray[np.float32]:
        engine = self._voices.get(line.voice)
        if engine is None or PICO_VOICES.get(line.language) != line.voice:
            raise CorpusError(
                f'Pico has no voice {line.voice!r} for {line.language!r}; use {", ".join(PICO_VOICES.values())}'
            )
        engine.rate = min(max(round(100 / line.stretch), 20), 500)  # per cent
        engine.pitch = min(max(round(100 * line.pitch), 50), 200)
        pcm = np.frombuffer(engine.speak(line.text), np.int16)
        sound: npt.NDArray[np.float32] = pcm.astype(np.float32) / np.float32(32768)
        return sound
