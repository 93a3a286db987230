# SPDX-License-Identifier: Apache-2.0
"""Whether the encoder distinguishes styles, and whether generated motion has the requested style."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.evaluation.reference import FPS, joined_speech
from diffposetalk_ros.evaluation.retrieval import top1_retrieval
from diffposetalk_ros.evaluation.speech_sets import SpeechClip
from diffposetalk_ros.model.backend import SamplingConfig
from diffposetalk_ros.offline.generator import Generator
from diffposetalk_ros.training.animator import animate, sample_style

__all__ = ['StyleScores', 'style_scores']

Floats = NDArray[np.float32]

_HALF = 100
_TAKE = 210


@dataclass(frozen=True)
class StyleScores:
    """Top-1 retrieval in 0..1.

    ``encoder``: the second 4 s of a take find the first 4 s of the same style among ``styles``.
    ``generated``: generated motion, encoded, finds the clip of its style among
    ``generated_styles``. No style was trained on.
    """

    encoder: float
    styles: int
    generated: float
    generated_styles: int


def style_scores(
    generator: Generator,
    clips: Sequence[SpeechClip],
    sampling: SamplingConfig,
    styles: int = 100,
    generated_styles: int = 20,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> StyleScores:
    """Measure with freshly drawn animator styles on joined clips; at least two styles each.

    Calls ``progress`` once per generated clip. 4 s of other speech are generated for each of the
    first ``generated_styles`` styles.
    """
    # A separate random stream: training draws its styles from other seeds.
    rng = np.random.default_rng((seed, 7_001))
    takes = []
    for _ in range(max(styles, generated_styles)):
        speech = joined_speech(clips, _TAKE / FPS, rng)
        takes.append(animate(speech.phones, speech.samples, sample_style(rng), _TAKE, rng, FPS))
    motion = np.stack(takes)
    first, second = (_encode(generator, half) for half in (motion[:, :_HALF], motion[:, -_HALF:]))
    made = []
    for index in range(generated_styles):
        speech = joined_speech(clips, _HALF / FPS, rng)
        made.append(
            generator.generate(
                speech.samples, generator.model.style_of(motion[index, :_HALF]), seed + index, sampling
            ).values[:_HALF]
        )
        progress()
    found = _encode(generator, np.stack(made))
    return StyleScores(
        top1_retrieval(second[:styles], first[:styles]),
        styles,
        top1_retrieval(found, first[:generated_styles]),
        generated_styles,
    )


def _encode(generator: Generator, motion: Floats) -> Floats:
    return generator.model.backend.encode_style(generator.model.normalise(motion))
