# SPDX-License-Identifier: Apache-2.0
"""Small models, and windows of random numbers for them."""

from pathlib import Path

import numpy as np

from diffposetalk_ros.diffusion.sampler import Inpainting
from diffposetalk_ros.model.backend import WindowRequest
from diffposetalk_ros.model.config import ModelConfig


def window(
    config: ModelConfig,
    count: int,
    frames: int,
    past: bool = True,
    style: bool = True,
    inpainted: bool = False,
) -> WindowRequest:
    rng = np.random.default_rng(frames)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    motion = (count, frames, config.motion_dim)
    prefix = (count, config.n_prev_motions)
    return WindowRequest(
        audio=normal(count, frames, config.feature_dim),
        noise=normal(*motion),
        previous_motion=normal(*prefix, config.motion_dim) if past else None,
        previous_audio=normal(*prefix, config.feature_dim) if past else None,
        style=normal(count, config.style_dim) if style else None,
        shape=normal(count, config.shape_dim) if config.shape_dim else None,
        indicator=(np.arange(frames) < max(1, frames - 1))[None].repeat(count, 0).astype(np.float32)
        if config.use_indicator
        else None,
        step_noise=lambda t: np.random.default_rng(t).standard_normal(motion).astype(np.float32),
        inpainting=Inpainting(normal(*motion), rng.uniform(size=(count, frames, 1)).astype(np.float32))
        if inpainted
        else None,
    )


def tiny_model(folder: Path, **values: object) -> ModelConfig:
    """A model of the official layout that exports in seconds: random weights, test fixture only."""
    import torch

    from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel
    from diffposetalk_ros.model.onnx.export import export_onnx
    from diffposetalk_ros.model.store import save_model

    torch.manual_seed(0)
    encoder = {
        'hidden_size': 24, 'num_hidden_layers': 1, 'num_attention_heads': 2, 'intermediate_size': 32,
        'conv_dim': [16] * 7, 'num_conv_pos_embeddings': 16, 'num_conv_pos_embedding_groups': 2,
    }  # fmt: skip
    defaults = {
        'feature_dim': 32, 'n_heads': 2, 'n_layers': 2, 'mlp_ratio': 2, 'style_dim': 16, 'n_motions': 20,
        'audio_encoder_config': encoder,
    }  # fmt: skip
    config = ModelConfig(**{**defaults, **values})  # type: ignore[arg-type]
    dim = config.motion_dim
    save_model(folder, DiffPoseTalkModel(config), (np.zeros(dim), np.ones(dim)))
    export_onnx(folder)
    return config
