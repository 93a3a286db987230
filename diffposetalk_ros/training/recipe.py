# SPDX-License-Identifier: Apache-2.0
"""The recipe of the embedded model: sizes, stages in order, and the folder they end in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor

from diffposetalk_ros.model.config import LogMelConfig, ModelConfig, StyleEncoderConfig
from diffposetalk_ros.model.loader import STYLES
from diffposetalk_ros.model.store import save_model
from diffposetalk_ros.model.torch_model import DiffPoseTalkModel
from diffposetalk_ros.training.augment import AugmentConfig
from diffposetalk_ros.training.batches import BatchSource
from diffposetalk_ros.training.named_styles import encode_named_styles
from diffposetalk_ros.training.run import RunConfig
from diffposetalk_ros.training.takes import TakeSet, build_takes
from diffposetalk_ros.training.train_audio import train_audio
from diffposetalk_ros.training.train_denoiser import train_denoiser
from diffposetalk_ros.training.train_style import train_style

__all__ = ['EMBEDDED', 'Recipe', 'run_recipe', 'statistics']

EMBEDDED = ModelConfig(
    space='arkit',
    feature_dim=192,
    n_heads=6,
    n_layers=4,
    mlp_ratio=2,
    variable_window=True,
    use_indicator=True,
    shape_dim=0,
    audio_encoder='logmel',
    logmel=LogMelConfig(channels=96, hidden=128),
    style_encoder=StyleEncoderConfig(n_layers=2, mlp_ratio=2, position='per_frame'),
)
"""The network that ships: 2.6 million parameters."""


@dataclass(frozen=True)
class Recipe:
    """How much of everything. ``takes`` of 8.4 s each in a style of its own; steps per stage."""

    takes: int = 6000
    audio: RunConfig = RunConfig(steps=4000, batch=16, learning_rate=1e-3)
    style: RunConfig = RunConfig(steps=3000, batch=64, learning_rate=1e-3)
    denoiser: RunConfig = RunConfig(steps=16000, batch=16, learning_rate=6e-4)
    seed: int = 0


def statistics(takes: TakeSet) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (D) of the motion; channels that hardly move keep a floor, so that
    their noise is not blown up to unit scale."""
    values = takes.motion[:].reshape(-1, takes.motion.shape[-1])
    mean, std = values.mean(0), values.std(0)
    return torch.from_numpy(mean), torch.from_numpy(np.maximum(std, 0.02).astype(np.float32))


def run_recipe(corpus: Path, work: Path, out: Path, recipe: Recipe) -> None:
    """Corpus -> takes -> audio encoder -> style encoder -> denoiser -> model folder `out`.

    Every stage continues where an interrupted run stopped; finished stages cost seconds.
    """
    folder = work / 'takes'
    if not (folder / 'takes.json').exists():
        build_takes(corpus, folder, recipe.takes, recipe.seed)
    takes = TakeSet.load(folder)
    mean, std = statistics(takes)
    source = BatchSource(takes, mean, std, seed=recipe.seed, augmentation=AugmentConfig())
    torch.manual_seed(recipe.seed)
    assert EMBEDDED.logmel is not None and EMBEDDED.style_encoder is not None
    style = train_style(source, EMBEDDED.style_encoder, EMBEDDED.motion_dim, work, recipe.style)
    audio = train_audio(source, EMBEDDED.logmel, work, recipe.audio)
    model = train_denoiser(source, DiffPoseTalkModel(EMBEDDED), audio, style, std, work, recipe.denoiser)
    styles = encode_named_styles(corpus, style, mean, std)
    save_model(out, model, (mean.double().numpy(), std.double().numpy()), style)
    save_file(styles, out / STYLES)
