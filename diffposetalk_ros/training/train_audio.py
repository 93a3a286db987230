# SPDX-License-Identifier: Apache-2.0
"""First stage: the light audio encoder learns phones and visemes. HuBERT comes pre-trained.

The two heads are discarded afterwards; the denoiser's training continues with the encoder.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from diffposetalk_ros.model.config import LogMelConfig
from diffposetalk_ros.model.networks.logmel_encoder import LogMelEncoder
from diffposetalk_ros.training.animator.sounds import PAUSE
from diffposetalk_ros.training.data.batches import Batch, BatchSource
from diffposetalk_ros.training.data.takes import FRAMES, PHONES
from diffposetalk_ros.training.run import RunConfig, train

__all__ = ['AudioTrainee', 'speech_losses', 'train_audio']

# Lip closure, rounding and bite matter most for the impression of a face and are hardest to recognise.
_VISEME_WEIGHTS = (1.0, 2.0, 1.5, 1.5, 1.2, 2.0, 1.0, 1.0)
# Sounds whose errors appear as a missed or false closure have a higher weight. On real voices, t, n, d, k and ð are
# mistaken for p, m and b.
_PHONE_WEIGHTS = {
    'ʋ': 4.0,
    **dict.fromkeys(('t', 'n', 'β'), 3.0),
    **dict.fromkeys(('p', 'b'), 2.5),
    **dict.fromkeys(('m', 'd', 'k', 'v', 'ð', 'ɸ'), 2.0),
    **dict.fromkeys(('f', 'ŋ', 'y', 'ø'), 1.5),
    PAUSE: 0.6,
}  # fmt: skip
# Vowels whose rounding differs from that of the English vowel that sounds most alike are rare: their visemes have a
# higher weight.
_VISEME_FRAME_WEIGHTS = {**dict.fromkeys(('y', 'ʏ', 'ø', 'œ'), 12.0), 'ɯ': 8.0}


class AudioTrainee(nn.Module):
    """The encoder with its two training heads."""

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__()
        self.encoder = LogMelEncoder(config)
        self.phones = nn.Linear(config.hidden, len(PHONES))
        self.visemes = nn.Linear(config.hidden, len(_VISEME_WEIGHTS))

    def forward(self, mel: Tensor) -> Tensor:
        """Features (N, F, hidden)."""
        features: Tensor = self.encoder(mel)
        return features


def speech_losses(
    phones: nn.Module,
    visemes: nn.Module,
    features: Tensor,
    batch: Batch,
    first: int,
    like: Tensor | None = None,
) -> dict[str, Tensor]:
    """Cross-entropy against phone shares and weighted squared error of the eight viseme dimensions,
    for features (N, F, C) of the frames from `first` on.

    ``like`` (P, P) maps the sounds of the batch to those that ``phones`` shall read; None maps each to itself.
    """
    span = slice(first, first + features.shape[1])
    device = features.device
    share = batch.phones[:, span].to(device)
    frame = share @ torch.tensor([_VISEME_FRAME_WEIGHTS.get(name, 1.0) for name in PHONES], device=device)
    error = frame[..., None] * (visemes(features) - batch.visemes[:, span].to(device)) ** 2
    if like is not None:
        share = share @ like.to(device)
    weight = torch.tensor([_PHONE_WEIGHTS.get(name, 1.0) for name in PHONES], device=device)
    phone = -(share * weight * functional.log_softmax(phones(features), -1)).sum(-1).mean()
    return {
        'phone': 0.3 * phone,
        'viseme': 10.0 * (error * torch.tensor(_VISEME_WEIGHTS, device=device)).mean(),
    }


_HEADS = RunConfig(steps=300, learning_rate=1e-2, ema=0.97)


def train_audio(
    source: BatchSource, config: LogMelConfig, out: Path, run: RunConfig, start: LogMelEncoder | None = None
) -> AudioTrainee:
    """Train the encoder with its heads, and return both.

    ``start`` is an encoder to continue from. It gets new heads, which are trained alone first, because random heads
    would change the features that the denoiser was trained on.
    """
    trainee = AudioTrainee(config)

    def loss(module: nn.Module, step: int, _: torch.Generator, device: torch.device) -> dict[str, Tensor]:
        batch = source.draw(step, run.batch)
        features = module(batch.mel_for(0, FRAMES, trainee.encoder.context).to(device))
        return speech_losses(trainee.phones, trainee.visemes, features, batch, 0)

    if start is not None:
        trainee.encoder.begin_as(start)
        trainee.encoder.requires_grad_(False)
        heads = replace(_HEADS, steps=min(_HEADS.steps, run.steps), batch=run.batch, seed=run.seed)
        train('heads', trainee, loss, out, heads)
        trainee.encoder.requires_grad_(True)
    train('audio', trainee, loss, out, run)
    return trainee
