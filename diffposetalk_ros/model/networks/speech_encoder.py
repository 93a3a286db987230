# SPDX-License-Identifier: Apache-2.0
"""HuBERT and wav2vec2 as DiffPoseTalk uses them (docs/method.md, 2.2 to 2.4), through transformers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.networks.speech_convolutions import convolve
from diffposetalk_ros.model.speech_padding import padding_sizes

__all__ = ['SpeechEncoder', 'make_speech_encoder', 'pad_audio', 'speech_features', 'speech_width']

SpeechEncoder = nn.Module
"""transformers' HubertModel or Wav2Vec2Model, untouched: its state-dict names are the published ones."""


def make_speech_encoder(kind: str, overrides: dict[str, Any] | None = None) -> SpeechEncoder:
    """'hubert' or 'wav2vec2' with random weights, fused attention and no attention maps.

    ``overrides`` are fields of the transformers configuration (its defaults are the base models).
    Raises ConfigError for another kind or a field transformers refuses.
    """
    import transformers

    kinds = {
        'hubert': (transformers.HubertConfig, transformers.HubertModel),
        'wav2vec2': (transformers.Wav2Vec2Config, transformers.Wav2Vec2Model),
    }
    if kind not in kinds:
        raise ConfigError(f"audio_encoder {kind!r}; use 'hubert' or 'wav2vec2'")
    make_config, make_model = kinds[kind]
    try:
        config = make_config(**(overrides or {}), attn_implementation='sdpa')
        model: SpeechEncoder = make_model(config)
    except (TypeError, ValueError) as error:
        raise ConfigError(f'audio_encoder_config does not fit {kind}: {error}') from error
    return model


def speech_width(encoder: SpeechEncoder) -> int:
    """Width of the encoder's features (768 for the base models)."""
    config: Any = encoder.config
    return int(config.hidden_size)


def pad_audio(samples: Tensor) -> Tensor:
    """Pad (N, n) on both sides, so that the convolutions give n // 320 frames.

    The reflection is applied twice, each time by half the padding, which differs from reflecting once
    (docs/method.md, 2.2). Raises AudioError for less than 320 samples, which give no frame.
    """
    reflected, repeated = padding_sizes(samples.shape[1])
    for _ in range(2 if reflected else 0):
        samples = F.pad(samples, (reflected, reflected), mode='reflect')
    return F.pad(samples, (repeated, repeated), mode='replicate') if repeated else samples


def speech_features(encoder: SpeechEncoder, samples: Tensor, frames: int, fps: int = 25) -> Tensor:
    """Hidden states (N, frames, width) of normalised 16 kHz speech (N, n).

    Features are made at twice the frame rate and then pooled in pairs (docs/method.md, 2.4). In training mode
    SpecAugment, dropout and LayerDrop act as the encoder's configuration says.
    """
    model: Any = encoder
    doubled = 2 * frames
    stack = convolve(model.feature_extractor, pad_audio(samples))[:, :, : round(doubled * 50 / fps)]
    stack = F.interpolate(stack, size=doubled, mode='linear', align_corners=False)
    projected = model.feature_projection(stack.transpose(1, 2))
    # wav2vec2 returns the normalised input as well.
    hidden: Tensor = projected[0] if isinstance(projected, tuple) else projected
    hidden = model._mask_hidden_states(hidden)
    hidden = model.encoder(hidden, output_attentions=False).last_hidden_state
    pooled = F.interpolate(hidden.transpose(1, 2), size=frames, mode='linear', align_corners=False)
    return torch.transpose(pooled, 1, 2)
