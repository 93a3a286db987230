# SPDX-License-Identifier: Apache-2.0
"""The real architecture with random weights, small enough to answer in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def tiny_config(**changes: Any) -> Any:
    """ModelConfig of a network that hears log mel; `changes` replace its fields. Needs torch."""
    from diffposetalk_ros.model.config import LogMelConfig, ModelConfig

    settings = {
        'space': 'arkit',
        'feature_dim': 32,
        'n_heads': 2,
        'n_layers': 1,
        'mlp_ratio': 2,
        'shape_dim': 0,
        'style_dim': 16,
        'variable_window': True,
        'audio_encoder': 'logmel',
        'logmel': LogMelConfig(n_mels=64, channels=16, hidden=16),
    }
    return ModelConfig(**(settings | changes))


def write_tiny_model(folder: Path, styles: Sequence[str], position: str = 'legacy', **changes: Any) -> Path:
    """A model folder with a style encoder and named styles."""
    import numpy as np
    import torch
    from safetensors.numpy import save_file

    from diffposetalk_ros.model.config import StyleEncoderConfig
    from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel
    from diffposetalk_ros.model.networks.style_encoder import StyleEncoder
    from diffposetalk_ros.model.store import save_model

    torch.manual_seed(0)
    torch.set_num_threads(1)
    encoder = StyleEncoderConfig(feature_dim=16, n_heads=2, n_layers=1, mlp_ratio=2, position=position)
    config = tiny_config(style_encoder=encoder, **changes)
    width = config.motion_dim
    statistics = (np.full(width, 0.2), np.full(width, 0.1))
    save_model(folder, DiffPoseTalkModel(config), statistics, StyleEncoder(encoder, width))
    rng = np.random.default_rng(0)
    vectors = {name: rng.normal(size=16).astype(np.float32) for name in styles}
    save_file(vectors, folder / 'styles.safetensors')
    return folder
