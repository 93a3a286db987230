# SPDX-License-Identifier: Apache-2.0
"""The named styles: clips are animated in each style, encoded by the style encoder and measured for traits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffposetalk_ros.model.networks.style_encoder import StyleEncoder
from diffposetalk_ros.nonverbal.smile import spread_as_smile
from diffposetalk_ros.nonverbal.traits import Traits, measure_traits
from diffposetalk_ros.training.animator import NAMED_STYLES, StyleParameters, animate
from diffposetalk_ros.training.data.takes import join_speech, make_takes, read_clips, shift_phones
from diffposetalk_ros.training.train_style import halves

__all__ = ['encode_named_styles', 'named_traits']

_CLIPS = 6
_SECONDS = 32


def _always(style: StyleParameters) -> Callable[[np.random.Generator], StyleParameters]:
    return lambda _: style


def encode_named_styles(
    corpus: Path, encoder: StyleEncoder, mean: Tensor, std: Tensor
) -> dict[str, NDArray[np.float32]]:
    """Name -> style: vector (S,), the mean over twelve 4 s clips of different speech, followed by the traits."""
    styles = {}
    for name, parameters in NAMED_STYLES.items():
        takes = make_takes(corpus, 'train', _CLIPS, seed=1, style=_always(parameters))
        motion = torch.stack([(torch.from_numpy(take.motion) - mean) / std for take in takes])
        with torch.no_grad():
            vector = encoder(torch.cat(halves(motion))).mean(0).numpy()
        styles[name] = np.concatenate([vector, named_traits(corpus, parameters).vector])
    return styles


def named_traits(corpus: Path, style: StyleParameters) -> Traits:
    """Traits of a style: the mean over six animated clips of 32 s."""
    clips, length = read_clips(corpus, 'train'), _SECONDS * 16000
    found = []
    for index in range(_CLIPS):
        rng = np.random.default_rng((2, index))
        samples, phones = join_speech(clips, rng, length + 16000)
        spoken = shift_phones(phones, 0.0, _SECONDS)
        motion = animate(spoken, samples[:length], style, _SECONDS * 25, rng)
        traits = measure_traits(motion, 25.0)
        # Spread vowels add to the smile. A face that rests keeps half of its smile.
        level = traits['smile_level']
        added = measure_traits(spread_as_smile(motion), 25.0)['smile_level'] - level
        found.append(traits.replaced('smile_level', max(level - added, level / 2)).vector)
    return Traits(np.mean(found, axis=0))
