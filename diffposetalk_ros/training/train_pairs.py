# SPDX-License-Identifier: Apache-2.0
"""The published training, on the official data: style encoder and denoiser (docs/method.md, 9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from diffposetalk_ros.audio.normalisation import normalise_audio
from diffposetalk_ros.model.config import LogMelConfig, StyleEncoderConfig
from diffposetalk_ros.model.mel_context import clip_mel
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel
from diffposetalk_ros.model.networks.style_encoder import StyleEncoder
from diffposetalk_ros.training.data.lmdb_clips import SAMPLES_PER_FRAME
from diffposetalk_ros.training.data.lmdb_pairs import PairSource
from diffposetalk_ros.training.loss.losses import LossWeights, Vertices, nt_xent, truncate, weighted_terms
from diffposetalk_ros.training.loss.window_loss import Window, draw_end, window_terms
from diffposetalk_ros.training.run import RunConfig, train

__all__ = ['PairConfig', 'freeze_speech_encoder', 'train_denoiser_pairs', 'train_style_pairs']

VerticesOf = Callable[[Tensor], Vertices]
"""Normalised identities (N, 100) -> the vertices of their motion."""

_VALIDATION_BATCHES = 8


@dataclass(frozen=True)
class PairConfig:
    """Settings of the published denoiser training.

    Args:
        weights: of the loss terms.
        truncate: probabilities of truncating the first and the second half.
        context: whether audio features of both halves come from one pass over 8 s (use_context_audio_feat).
        constrain_previous: whether the second half also predicts its previous frames.
    """

    weights: LossWeights = LossWeights()
    truncate: tuple[float, float] = (0.3, 0.4)
    context: bool = False
    constrain_previous: bool = True


def freeze_speech_encoder(model: DiffPoseTalkModel) -> None:
    """Freeze what the published training keeps fixed (docs/method.md, 9.5).

    Of HuBERT these are the convolutions, the projection and the first two layers, of wav2vec2 the
    convolutions, of the log-mel encoder nothing.
    """
    encoder: Any = model.audio_encoder
    if model.config.audio_encoder == 'logmel':
        return
    # Without this method, transformers would compute gradients for the audio itself.
    encoder.feature_extractor._freeze_parameters()
    if model.config.audio_encoder == 'hubert':
        for part in (encoder.feature_projection, *encoder.encoder.layers[:2]):
            part.requires_grad_(False)


def _over_batches(loss: Callable[..., dict[str, Tensor]]) -> Callable[..., dict[str, Tensor]]:
    """Mean loss terms over the first batches of a validation source."""

    def validate(module: nn.Module, _: int, rng: torch.Generator, device: torch.device) -> dict[str, Tensor]:
        sums: dict[str, list[Tensor]] = {}
        for number in range(_VALIDATION_BATCHES):
            for key, value in loss(module, number, rng, device).items():
                sums.setdefault(key, []).append(value)
        return {key: torch.stack(values).mean() for key, values in sums.items()}

    return validate


def train_style_pairs(
    source: PairSource,
    config: StyleEncoderConfig,
    motion_dim: int,
    out: Path,
    run: RunConfig,
    validation: PairSource | None = None,
) -> StyleEncoder:
    """Train the style encoder to match two windows of one clip among those of other people (docs/method.md, 9.1)."""
    torch.manual_seed(run.seed)
    encoder = StyleEncoder(config, motion_dim)

    def loss_of(data: PairSource) -> Callable[..., dict[str, Tensor]]:
        size = min(run.batch, data.persons)

        def loss(
            module: nn.Module, number: int, _: torch.Generator, device: torch.device
        ) -> dict[str, Tensor]:
            first, second = data.style_pairs(number, size)
            both = module(torch.cat([first, second]).to(device))
            return {'nt_xent': nt_xent(both[:size], both[size:])}

        return loss

    validate = None if validation is None else _over_batches(loss_of(validation))
    train('style', encoder, loss_of(source), out, run, validate)
    return encoder


class _PairLoss:
    """Loss of a batch of pairs (docs/method.md, 9.2)."""

    def __init__(
        self,
        source: PairSource,
        style: StyleEncoder | None,
        config: PairConfig,
        size: int,
        vertices: VerticesOf | None,
    ) -> None:
        self._source, self._config, self._size, self._vertices = source, config, size, vertices
        self._style = None if style is None else style.eval().requires_grad_(False)

    def __call__(
        self, module: nn.Module, number: int, rng: torch.Generator, device: torch.device
    ) -> dict[str, Tensor]:
        model = module
        assert isinstance(model, DiffPoseTalkModel)
        config, length, past = self._config, model.config.n_motions, model.config.n_prev_motions
        batch = self._source.pairs(number, self._size)
        audio, motion = batch.audio, batch.motion.to(device)
        if model.config.audio_encoder != 'logmel':
            audio = torch.from_numpy(normalise_audio(audio.numpy()))
        shape = batch.shape.to(device) if model.config.shape_dim else None
        halves = motion[:, :length], motion[:, length:]
        styles: tuple[Tensor | None, Tensor | None] = (None, None)
        if self._style is not None and model.config.style_dim:
            self._style.to(device)
            with torch.no_grad():
                styles = self._style(halves[0]), self._style(halves[1])
        ends = [draw_end(chance, self._size, length, rng) for chance in config.truncate]
        features, before = self._features(model, audio, ends, device)
        vertices = None
        if self._vertices is not None:
            vertices = self._vertices(batch.shape.to(device))
        terms = []
        for half in range(2):
            previous = (halves[0][:, -past:], before[:, -past:]) if half else None
            window = Window(halves[half], features[half], styles[1 - half], shape, previous, ends[half])
            terms.append(
                window_terms(model, window, config.weights, rng, vertices, config.constrain_previous)
            )
        return weighted_terms(terms, config.weights)

    def _features(
        self, model: DiffPoseTalkModel, audio: Tensor, ends: list[Tensor | None], device: torch.device
    ) -> tuple[list[Tensor], Tensor]:
        """Features (N, L, C) of both halves, and those of the complete first half, without gradient."""
        length = model.config.n_motions
        split = length * SAMPLES_PER_FRAME
        sounds = [audio[:, :split], audio[:, split:]]
        cut = [
            sound if end is None else truncate(sound, end * SAMPLES_PER_FRAME, model.config.pad_mode)
            for sound, end in zip(sounds, ends, strict=True)
        ]
        if self._config.context:
            both = _encode(model, audio, 2 * length, device)
            first, second = both[:, :length], both[:, length:]
            if ends[0] is not None:
                first = _encode(model, cut[0], length, device)
            if ends[1] is not None:
                second = _encode(model, torch.cat([sounds[0], cut[1]], 1), 2 * length, device)[:, length:]
            return [first, second], both[:, :length].detach()
        first, second = (_encode(model, sound, length, device) for sound in cut)
        if ends[0] is None:
            return [first, second], first.detach()
        with torch.no_grad():
            return [first, second], _encode(model, sounds[0], length, device)


def _encode(model: DiffPoseTalkModel, audio: Tensor, frames: int, device: torch.device) -> Tensor:
    if model.config.audio_encoder != 'logmel':
        return model.extract_audio_feature(audio.to(device), frames)
    mel = clip_mel(audio.numpy(), frames, model.config.logmel or LogMelConfig())
    return model.encode_mel(torch.from_numpy(mel).to(device))


def train_denoiser_pairs(
    source: PairSource,
    model: DiffPoseTalkModel,
    style: StyleEncoder | None,
    out: Path,
    run: RunConfig,
    config: PairConfig | None = None,
    vertices: VerticesOf | None = None,
    validation: PairSource | None = None,
) -> DiffPoseTalkModel:
    """Train ``model`` with a frozen style encoder.

    Without ``vertices`` there are no geometric terms. Validation uses the training losses on truncated
    halves.
    """
    settings = config or PairConfig()
    freeze_speech_encoder(model)
    loss = _PairLoss(source, style, settings, run.batch, vertices)
    validate = None
    if validation is not None:
        validate = _over_batches(_PairLoss(validation, style, settings, run.batch, vertices))
    train('denoiser', model, loss, out, run, validate)
    return model
