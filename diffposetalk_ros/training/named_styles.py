# SPDX-License-Identifier: Apache-2.0
"""Vectors of the named styles: the style encoder's output for clips animated in each style."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffposetalk_ros.model.networks.style_encoder import StyleEncoder
from diffposetalk_ros.training.animator import NAMED_STYLES, StyleParameters
from diffposetalk_ros.training.takes import make_takes
from diffposetalk_ros.training.train_style import halves

__all__ = ['encode_named_styles']

_CLIPS = 6


def _always(style: StyleParameters) -> Callable[[np.random.Generator], StyleParameters]:
    return lambda _: style


def encode_named_styles(
    corpus: Path, encoder: StyleEncoder, mean: Tensor, std: Tensor
) -> dict[str, NDArray[np.float32]]:
    """Name -> style (S,), the mean over twelve 4 s clips of different speech."""
    styles = {}
    for name, parameters in NAMED_STYLES.items():
        takes = make_takes(corpus, 'train', _CLIPS, seed=1, style=_always(parameters))
        motion = torch.stack([(torch.from_numpy(take.motion) - mean) / std for take in takes])
        with torch.no_grad():
            styles[name] = encoder(torch.cat(halves(motion))).mean(0).numpy()
    return styles
