# SPDX-License-Identifier: Apache-2.0
"""Weights of HuBERT or wav2vec2 from a folder that transformers saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from diffposetalk_ros.errors import ConfigError, ModelError

__all__ = ['read_speech_weights']

# Settings of a transformers configuration that decide the form of the network.
_SIZES = (
    'hidden_size', 'num_hidden_layers', 'num_attention_heads', 'intermediate_size', 'conv_dim',
    'conv_kernel', 'conv_stride', 'conv_bias', 'feat_extract_norm', 'do_stable_layer_norm',
    'num_conv_pos_embeddings', 'num_conv_pos_embedding_groups',
)  # fmt: skip


def read_speech_weights(kind: str, folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """State dict of a speech encoder, and its sizes as far as they differ from the base model.

    ``kind`` is 'hubert' or 'wav2vec2'. Nothing is downloaded. Raises ConfigError for another kind or a
    folder without config.json, ModelError if the folder holds another model.
    """
    import transformers

    kinds: dict[str, tuple[Any, Any]] = {
        'hubert': (transformers.HubertModel, transformers.HubertConfig),
        'wav2vec2': (transformers.Wav2Vec2Model, transformers.Wav2Vec2Config),
    }
    if kind not in kinds:
        raise ConfigError(f'--speech-encoder does not apply to audio_encoder {kind!r}')
    if not (folder / transformers.utils.CONFIG_NAME).is_file():
        raise ConfigError(f'{folder} holds no config.json; name a folder saved by transformers')
    network, defaults = kinds[kind]
    try:
        encoder = network.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f'{folder} is not a {kind} model ({str(error).splitlines()[0][:120]})') from error
    base = defaults()
    sizes = {}
    for name in _SIZES:
        if hasattr(encoder.config, name):
            value, usual = _plain(getattr(encoder.config, name)), _plain(getattr(base, name))
            if value != usual:
                sizes[name] = value
    return encoder.state_dict(), sizes


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list) else value
