# SPDX-License-Identifier: Apache-2.0
"""The recipe of the embedded model: sizes, stages and the resulting folder.

takes -> style encoder -> audio encoder -> denoiser -> nonverbal network -> model folder
            (kept)       (both continue from `Recipe.start`, if given)
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.config import LogMelConfig, ModelConfig, StyleEncoderConfig
from diffposetalk_ros.model.loader import motion_statistics
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel
from diffposetalk_ros.model.networks.logmel_encoder import LogMelEncoder
from diffposetalk_ros.model.networks.style_encoder import StyleEncoder
from diffposetalk_ros.model.store import StoredModel, load_model, save_model
from diffposetalk_ros.training.data.augment import AugmentConfig
from diffposetalk_ros.training.data.batches import BatchSource
from diffposetalk_ros.training.data.takes import TakeSet, build_takes
from diffposetalk_ros.training.named_styles import encode_named_styles
from diffposetalk_ros.training.run import RunConfig
from diffposetalk_ros.training.train_audio import train_audio
from diffposetalk_ros.training.train_denoiser import train_denoiser
from diffposetalk_ros.training.train_nonverbal import (
    NonverbalClips,
    build_nonverbal_clips,
    calibrated_weights,
    reference_features,
    train_nonverbal,
)
from diffposetalk_ros.training.train_style import train_style
from diffposetalk_ros.util.output_file import ordinary_rights
from diffposetalk_ros.util.resources import NONVERBAL, STYLES

__all__ = [
    'EMBEDDED',
    'FINETUNE',
    'Recipe',
    'run_denoiser_stage',
    'run_recipe',
    'run_style_stage',
    'statistics',
]

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
    mouth_noise=0.3,
    logmel=LogMelConfig(channels=96, hidden=128, dilations=(1, 2, 4, 8, 2, 4, 8)),
    style_encoder=StyleEncoderConfig(n_layers=2, mlp_ratio=2, position='per_frame'),
)
"""The network that ships: 2.8 million parameters."""


@dataclass(frozen=True)
class Recipe:
    """Amount of data and training of each stage.

    Args:
        takes: number of takes of 8.4 s, each in its own style.
        audio: run of the audio encoder.
        style: run of the style encoder.
        denoiser: run of the denoiser.
        seed: of takes, weights and batches.
        model: the network. If it is ``deterministic``, the last stage trains a regressor.
        start: model folder of the same network to continue from. Its audio encoder may have fewer blocks.
            Its statistics, style encoder and styles stay, so that existing styles keep their meaning.
    """

    takes: int = 9200
    audio: RunConfig = RunConfig(steps=20_000, batch=20, learning_rate=2e-3, ema=0.998)
    style: RunConfig = RunConfig(steps=700, batch=48, learning_rate=1e-3, ema=0.99)
    denoiser: RunConfig = RunConfig(steps=8300, batch=12, learning_rate=1e-3)
    nonverbal: RunConfig = RunConfig(steps=4000, batch=48, learning_rate=2e-3, ema=0.998)
    nonverbal_clips: int = 800
    seed: int = 0
    model: ModelConfig = EMBEDDED
    start: Path | None = None


FINETUNE = Recipe(
    takes=6000,
    audio=RunConfig(steps=12_000, batch=20, learning_rate=1.2e-3, ema=0.998),
    denoiser=RunConfig(steps=4500, batch=12, learning_rate=5e-4),
)
"""Recipe for `Recipe.start`: fine-tuning on new speech."""


def statistics(takes: TakeSet) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (D,) of the motion.

    The deviation has a floor, so that the noise of channels that hardly move does not become unit scale.
    """
    values = takes.motion[:].reshape(-1, takes.motion.shape[-1])
    mean, std = values.mean(0), values.std(0)
    return torch.from_numpy(mean), torch.from_numpy(np.maximum(std, 0.02).astype(np.float32))


@dataclass(frozen=True)
class _Material:
    source: BatchSource
    mean: Tensor
    std: Tensor
    stored: StoredModel | None = None


def _grown(smaller: LogMelConfig | None, wanted: LogMelConfig | None) -> LogMelConfig | None:
    """The wanted audio encoder if it only adds blocks to the smaller one, otherwise the smaller one."""
    if smaller is None or wanted is None or wanted.dilations[: len(smaller.dilations)] != smaller.dilations:
        return smaller
    return replace(smaller, dilations=wanted.dilations)


def _start(recipe: Recipe) -> tuple[StoredModel, Tensor, Tensor] | None:
    """Model to continue from, with its statistics."""
    if recipe.start is None:
        return None
    stored = load_model(recipe.start)
    # A regressor may start from the denoiser it is compared with, and an audio encoder may get more blocks.
    config = replace(
        stored.model.config,
        deterministic=recipe.model.deterministic,
        logmel=_grown(stored.model.config.logmel, recipe.model.logmel),
    )
    if config != recipe.model or stored.style_encoder is None:
        raise ConfigError(f'{recipe.start} is not the network that is trained here; leave --start out')
    mean, std = motion_statistics(recipe.start, recipe.model.motion_dim)
    return stored, torch.from_numpy(mean), torch.from_numpy(std)


def _material(corpus: Path, work: Path, recipe: Recipe) -> _Material:
    """Takes of the corpus. They are made once and kept below `work`."""
    if recipe.model.logmel is None or recipe.model.style_encoder is None:
        raise ConfigError('the recipe trains models with a log-mel audio encoder and a style encoder')
    largest = max(stage.batch for stage in (recipe.style, recipe.audio, recipe.denoiser))
    if recipe.takes < largest:
        raise ConfigError(f'--takes {recipe.takes}; one batch needs {largest}')
    start = _start(recipe)
    folder = work / 'takes'
    # Several processes share the folder; the first makes it.
    with PartialState().main_process_first():
        if not (folder / 'takes.json').exists():
            build_takes(corpus, folder, recipe.takes, recipe.seed)
    takes = TakeSet.load(folder)
    if len(takes) != recipe.takes:
        raise ConfigError(
            f'{folder} holds {len(takes)} takes, not {recipe.takes}; delete it, choose another --work, or give '
            f'--takes {len(takes)}'
        )
    stored, mean, std = start or (None, *statistics(takes))
    source = BatchSource(takes, mean, std, seed=recipe.seed, augmentation=AugmentConfig())
    return _Material(source, mean, std, stored)


def _style_stage(material: _Material, work: Path, recipe: Recipe) -> StyleEncoder:
    torch.manual_seed(recipe.seed)
    if material.stored is not None and material.stored.style_encoder is not None:
        return material.stored.style_encoder
    assert recipe.model.style_encoder is not None
    return train_style(
        material.source, recipe.model.style_encoder, recipe.model.motion_dim, work, recipe.style
    )


def run_style_stage(corpus: Path, work: Path, recipe: Recipe) -> None:
    """Make takes and train the style encoder. The other stages use its checkpoint `work/style.ckpt`."""
    _style_stage(_material(corpus, work, recipe), work, recipe)


def run_denoiser_stage(corpus: Path, work: Path, out: Path, recipe: Recipe) -> None:
    """Train audio encoder and denoiser with the style encoder that `run_style_stage` left in `work`.

    Raises ConfigError if there is none.
    """
    path = work / 'style.ckpt'
    if not path.is_file():
        raise ConfigError(f'no {path}; run diffposetalk train-style with the same --work first')
    run_recipe(corpus, work, out, replace(recipe, style=replace(recipe.style, steps=_steps_of(path))))


def _steps_of(path: Path) -> int:
    try:
        return int(torch.load(path, map_location='cpu', weights_only=True)['step'])
    except Exception as error:  # noqa: BLE001 - a damaged file can fail in any way
        raise ConfigError(f'{path} is damaged; delete it and run diffposetalk train-style') from error


def run_recipe(corpus: Path, work: Path, out: Path, recipe: Recipe) -> None:
    """Corpus -> takes -> style encoder -> audio encoder -> denoiser -> nonverbal network -> model folder `out`.

    Every stage continues an interrupted run, and a finished stage takes seconds. Raises ConfigError
    without a corpus, or if `work` holds checkpoints of another model.
    """
    material = _material(corpus, work, recipe)
    style = _style_stage(material, work, recipe)
    assert recipe.model.logmel is not None
    stored = material.stored
    network = DiffPoseTalkModel(recipe.model)
    start = None if stored is None else stored.model.audio_encoder
    assert start is None or isinstance(start, LogMelEncoder), 'a recipe is for log-mel encoders'
    if stored is not None:
        state = stored.model.state_dict().items()
        others = {name: value for name, value in state if not name.startswith('audio_encoder.')}
        network.load_state_dict(others, strict=False)
    audio = train_audio(material.source, recipe.model.logmel, work, recipe.audio, start)
    name = 'regressor' if recipe.model.deterministic else 'denoiser'
    model = train_denoiser(
        material.source, network, audio, style, material.std, work, recipe.denoiser, name=name
    )
    if not PartialState().is_main_process:
        return
    stats = (material.mean.double().numpy(), material.std.double().numpy())
    save_model(out, model, stats, style)
    if recipe.start is None:
        save_file(_nonverbal_stage(corpus, work, out, recipe), out / NONVERBAL)
        save_file(encode_named_styles(corpus, style, material.mean, material.std), out / STYLES)
    else:
        carry_over(recipe.start, out)
    for name in (NONVERBAL, STYLES):
        if (out / name).is_file():
            ordinary_rights(out / name)


def carry_over(start: Path, out: Path) -> None:
    """Copy the nonverbal network and the named styles of the model folder ``start`` to the new one in ``out``."""
    for kept in (NONVERBAL, STYLES):
        if start != out and (start / kept).is_file():
            shutil.copyfile(start / kept, out / kept)
            ordinary_rights(out / kept)
    _refresh_reference(out)


def _refresh_reference(folder: Path) -> None:
    """Recompute the nonverbal network's features of the bundled speech with the new audio encoder."""
    path = folder / NONVERBAL
    if path.is_file():
        weights = load_file(path)
        if 'reference' in weights:
            save_file(weights | {'reference': reference_features(folder)}, path)


def _nonverbal_stage(corpus: Path, work: Path, out: Path, recipe: Recipe) -> dict[str, NDArray[Any]]:
    """Weights of the nonverbal network, trained on separate animated clips."""
    path = work / 'nonverbal_clips.npz'
    if not path.is_file():
        clips = build_nonverbal_clips(corpus, recipe.nonverbal_clips, recipe.seed)
        np.savez(path, position=clips.position, pace=clips.pace, audio=clips.audio)
    with np.load(path) as arrays:
        clips = NonverbalClips(arrays['position'], arrays['pace'], arrays['audio'])
    weights = calibrated_weights(train_nonverbal(clips, work, recipe.nonverbal, recipe.seed), clips)
    return weights | {'reference': reference_features(out)}
