# SPDX-License-Identifier: Apache-2.0
"""The two published training stages on an LMDB of FLAME motion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from diffposetalk_ros.errors import ConfigError, ModelError
from diffposetalk_ros.model.config import ModelConfig, StyleEncoderConfig
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel
from diffposetalk_ros.model.networks.style_encoder import StyleEncoder
from diffposetalk_ros.model.official import flame_stats, motion_stats, read_style_encoder
from diffposetalk_ros.model.speech_weights import read_speech_weights
from diffposetalk_ros.model.store import load_model, save_model
from diffposetalk_ros.training.data.lmdb_clips import LmdbClips, read_split
from diffposetalk_ros.training.data.lmdb_pairs import FlameStats, PairSource
from diffposetalk_ros.training.run import RunConfig
from diffposetalk_ros.training.train_pairs import PairConfig, train_denoiser_pairs, train_style_pairs

__all__ = ['DENOISER', 'PUBLISHED', 'STYLE', 'DenoiserSettings', 'PairData', 'train_denoiser', 'train_style']

PUBLISHED = ModelConfig(style_encoder=StyleEncoderConfig())
"""The released network with head pose: 129 million parameters, HuBERT included."""

_PLAIN: dict[str, Any] = {'ema': 0.0, 'clip': 0.0, 'weight_decay': 0.0, 'learning_rate': 1e-4}
STYLE = RunConfig(100_001, batch=32, schedule='none', save_every=2000, validate_every=2000, **_PLAIN)
DENOISER = RunConfig(
    200_001, batch=16, schedule='Warmup', warm_up=5000, save_every=2000, validate_every=5000, **_PLAIN
)


@dataclass(frozen=True)
class PairData:
    """Location of the data: LMDB folder, its split files and the statistics file."""

    folder: Path
    split: Path
    validation: Path | None
    stats: Path

    def sources(self, config: ModelConfig, seed: int) -> tuple[PairSource, PairSource | None]:
        """Training and validation pairs. Raises ConfigError, LmdbError or CheckpointError."""
        if config.space != 'flame' or config.fps != 25:
            raise ConfigError(
                f'{self.folder} holds FLAME motion at 25 fps; the configuration is for other motion'
            )
        stats = FlameStats(flame_stats(self.stats), config.head_pose)
        clips = LmdbClips(self.folder)
        train = PairSource(clips, read_split(self.split), stats, seed, config.n_motions)
        if self.validation is None:
            return train, None
        return train, PairSource(clips, read_split(self.validation), stats, seed, config.n_motions)


@dataclass(frozen=True)
class DenoiserSettings:
    """Settings beside the configuration of the network.

    Args:
        pairs: losses, truncation and audio context.
        start: model folder to continue from.
        speech: folder with HuBERT or wav2vec2 weights, as transformers saves them.
        style: official style encoder, or None for the one that `train_style` left in the work folder.
        flame: FLAME's generic_model.pkl, for the geometric losses.
    """

    pairs: PairConfig = PairConfig()
    start: Path | None = None
    speech: Path | None = None
    style: Path | None = None
    flame: Path | None = None


def train_style(data: PairData, config: ModelConfig, work: Path, run: RunConfig) -> StyleEncoder:
    """Train the style encoder, or continue from `work/style.ckpt`."""
    source, validation = data.sources(config, run.seed)
    style = config.style_encoder or StyleEncoderConfig()
    return train_style_pairs(source, style, config.motion_dim, work, run, validation)


def train_denoiser(
    data: PairData, config: ModelConfig, work: Path, out: Path, run: RunConfig, settings: DenoiserSettings
) -> None:
    """Train the denoiser, or continue from `work/denoiser.ckpt`, and write the model folder `out`.

    Raises ConfigError if the parts do not fit each other.
    """
    torch.manual_seed(run.seed)
    source, validation = data.sources(config, run.seed)
    stats = flame_stats(data.stats)
    model = _start(config, settings)
    config = model.config
    style, config = _style(config, work, settings)
    model.config = config
    vertices = None
    weights = settings.pairs.weights
    if settings.flame is not None and (weights.vert > 0 or weights.vel > 0):
        from diffposetalk_ros.motion.flame.flame_model import load_flame_model
        from diffposetalk_ros.training.loss.flame_loss import flame_vertices_of

        vertices = flame_vertices_of(load_flame_model(settings.flame), stats)
    train_denoiser_pairs(source, model, style, work, run, settings.pairs, vertices, validation)
    if PartialState().is_main_process:
        save_model(out, model, motion_stats(stats, config.head_pose), style, stats)


def _start(config: ModelConfig, settings: DenoiserSettings) -> DiffPoseTalkModel:
    if settings.start is not None:
        return load_model(settings.start).model
    if settings.speech is None:
        return DiffPoseTalkModel(config)
    weights, sizes = read_speech_weights(config.audio_encoder, settings.speech)
    model = DiffPoseTalkModel(replace(config, audio_encoder_config=sizes))
    try:
        model.audio_encoder.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise ModelError(f'{settings.speech} does not fit {config.audio_encoder}: {reason}') from error
    return model


def _style(
    config: ModelConfig, work: Path, settings: DenoiserSettings
) -> tuple[StyleEncoder | None, ModelConfig]:
    if not config.style_dim:
        return None, config
    if settings.style is not None:
        encoder, sizes = read_style_encoder(settings.style, config)
        return encoder, replace(config, style_encoder=sizes)
    sizes = config.style_encoder or StyleEncoderConfig()
    if sizes.feature_dim != config.style_dim:
        raise ConfigError(
            f'style_encoder.feature_dim is {sizes.feature_dim} and style_dim {config.style_dim}; make them equal'
        )
    path = work / 'style.ckpt'
    if not path.is_file():
        raise ConfigError(f'no {path}; run diffposetalk train-style with the same --work, or --style-encoder')
    encoder = StyleEncoder(sizes, config.motion_dim)
    try:
        encoder.load_state_dict(torch.load(path, map_location='cpu', weights_only=True)['module'])
    except Exception as error:  # noqa: BLE001 - a damaged file can fail in any way
        reason = str(error).split('\n')[0][:120]
        raise ConfigError(f'{path} does not fit the configuration ({reason})') from error
    return encoder.eval(), replace(config, style_encoder=sizes)
