# SPDX-License-Identifier: Apache-2.0
"""Phone times of speech in any language, for voices that give none: comparison with espeak-ng's reading.

espeak-ng reads the same text and knows its own phone times. Dynamic time warping (Sakoe and Chiba 1978, symmetric
steps) finds which moments of the two readings belong together, by the features that the embedded audio encoder
gives every 10 ms. Against recorded voices with known times (Italian, Catalan, Finnish, Czech) the middles of
/p b m/ are off by 8 to 13 ms in the median. The phones themselves are espeak-ng's.

The times depend on this package's own encoder, so they are for training and never for an evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import soxr
import torch

from diffposetalk_ros.audio.formats.pcm import to_int16
from diffposetalk_ros.audio.logmel import HOP, MEL_PER_FRAME, normalised_log_mel
from diffposetalk_ros.model.networks.logmel_encoder import LogMelEncoder
from diffposetalk_ros.model.store import load_model
from diffposetalk_ros.training.corpus.engines.espeak import Espeak
from diffposetalk_ros.training.corpus.languages import LANGUAGES
from diffposetalk_ros.training.corpus.phones import covering
from diffposetalk_ros.training.corpus.speech import CORPUS_RATE, Line, Phone, Speech
from diffposetalk_ros.util.resources import find_model

__all__ = ['time_speech', 'warp']

Floats = npt.NDArray[np.floating]

_STEP_S = HOP / CORPUS_RATE
# Cost of a step that only one reading makes, so that no long stretch is matched with one moment.
_DETOUR = 0.05
# Mean distance along the path. Readings of one text had less in 95 % of 90 cases, those of different texts more in
# 99 %.
_TOO_FAR = 0.27


def time_speech(sounds: Sequence[Floats | None], lines: Sequence[Line]) -> list[Speech | None]:
    """Speech with IPA phones of mono sounds [n] at CORPUS_RATE in [-1, 1] that say the texts of ``lines``.

    None for a sound that is missing or does not say its text. Raises CorpusError without espeak-ng.
    """
    # An example of the other sex is as good: the features hardly depend on the voice.
    examples = Espeak().speak(
        [Line(f'{LANGUAGES[line.language].espeak}+f1', line.text, language=line.language) for line in lines]
    )
    return [
        None if sound is None or example is None else _timed(np.asarray(sound, np.float32), example)
        for sound, example in zip(sounds, examples, strict=True)
    ]


def _timed(sound: npt.NDArray[np.float32], example: Speech) -> Speech | None:
    read = soxr.resample(example.samples.astype(np.float32) / 32768, example.rate, CORPUS_RATE)
    ours, theirs = _features(sound), _features(read)
    if not len(ours) or not len(theirs):
        return None
    path, distance = warp(theirs, ours)
    if distance > _TOO_FAR:
        return None
    duration = len(sound) / CORPUS_RATE
    phones = [
        (Phone(_moved(p.start, path, duration), _moved(p.end, path, duration), p.name), (p.name,))
        for p in example.phones
    ]
    return Speech(to_int16(sound), CORPUS_RATE, covering(phones, duration))


def _moved(seconds: float, path: npt.NDArray[np.int_], duration: float) -> float:
    """The moment of the second reading that belongs to a moment of the first."""
    row = int(seconds / _STEP_S)
    before, after = path[path[:, 0] == row - 1, 1], path[path[:, 0] == row, 1]
    if not len(before) or not len(after):
        return 0.0 if row <= 0 else duration
    return min(float(before.max() + after.min() + 1) / 2 * _STEP_S, duration)


def warp(first: Floats, second: Floats) -> tuple[npt.NDArray[np.int_], float]:
    """The cheapest path through two sequences of features (n, C) and (m, C) from their starts to their ends.

    Returns pairs of indices (p, 2), and the mean cosine distance along the path, 0 to 2.
    """
    a, b = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9) for x in (first, second))
    distance = 1 - a @ b.T
    n, m = distance.shape
    cost = np.full((n + 1, m + 1), np.inf)
    cost[0, 0] = 0
    choice = np.zeros((n + 1, m + 1), np.int8)
    for diagonal in range(2, n + m + 1):  # the cells of a diagonal do not depend on each other
        i = np.arange(max(1, diagonal - m), min(n, diagonal - 1) + 1)
        j = diagonal - i
        here = distance[i - 1, j - 1]
        ways = np.stack(
            [cost[i - 1, j - 1] + 2 * here, cost[i - 1, j] + here + _DETOUR, cost[i, j - 1] + here + _DETOUR]
        )
        choice[i, j] = ways.argmin(axis=0)
        cost[i, j] = ways.min(axis=0)
    path, (i, j) = [], (n, m)
    while i > 0 and j > 0:
        path.append((i - 1, j - 1))
        step = choice[i, j]
        i, j = i - (step != 2), j - (step != 1)
    pairs = np.array(path[::-1])
    return pairs, float(distance[pairs[:, 0], pairs[:, 1]].mean())


@lru_cache(maxsize=1)
def _encoder() -> LogMelEncoder:
    encoder = load_model(find_model()).model.audio_encoder
    assert isinstance(encoder, LogMelEncoder)
    return encoder.eval()


def _features(sound: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Features (T, C) of the sound [n] each 10 ms, in the middle of their frame of 40 ms."""
    encoder = _encoder()
    left, right = encoder.context
    steps = len(sound) // HOP
    frames = steps // MEL_PER_FRAME + 1
    level = 0.1 / max(float(np.sqrt(np.mean(sound**2))) if len(sound) else 0.0, 1e-4)
    padded = np.zeros((left + MEL_PER_FRAME * (frames + 2) + right) * HOP, np.float32)
    start = (left + MEL_PER_FRAME) * HOP
    padded[start : start + steps * HOP] = sound[: steps * HOP] * level
    # The logarithm of digital silence is far from that of any recorded pause.
    padded += np.random.default_rng(0).normal(0, 1e-4, len(padded)).astype(np.float32)
    mel = torch.from_numpy(normalised_log_mel(padded))
    middle = MEL_PER_FRAME // 2
    length = left + MEL_PER_FRAME * frames + right
    phases = torch.stack([mel[middle + shift : middle + shift + length] for shift in range(MEL_PER_FRAME)])
    with torch.no_grad():
        found: npt.NDArray[np.float32] = encoder(phases).numpy()
    return np.concatenate(found.transpose(1, 0, 2))[:steps]
