# SPDX-License-Identifier: Apache-2.0
"""Small checkpoints in the form of the official ones, with random weights."""

from __future__ import annotations

import argparse
import pathlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffposetalk_ros.model.config import ModelConfig, StyleEncoderConfig
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel
from diffposetalk_ros.model.networks.style_encoder import StyleEncoder

SPEECH = {
    'hidden_size': 64, 'num_hidden_layers': 2, 'num_attention_heads': 1, 'intermediate_size': 32,
    'conv_dim': [16] * 7, 'num_conv_pos_embeddings': 16, 'num_conv_pos_embedding_groups': 4,
}  # fmt: skip


def stats() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    out = {}
    for key, width in (('shape', 100), ('exp', 50), ('pose', 6)):
        out[f'{key}_mean'] = rng.normal(size=width).astype(np.float32) * 0.1
        out[f'{key}_std'] = (0.1 + rng.random(width)).astype(np.float32)
        out[f'{key}_max'], out[f'{key}_min'] = np.ones(width, np.float32), -np.ones(width, np.float32)
    # The official data keeps jaw y and z at zero, so their deviation is zero too.
    out['pose_std'][4:] = 0
    return out


def write_checkpoints(folder: Path, head: bool) -> None:
    torch.manual_seed(0)
    config = ModelConfig(
        head_pose=head, feature_dim=32, n_heads=4, n_layers=1, style_dim=16, n_diff_steps=20,
        audio_encoder_config=SPEECH,
    )  # fmt: skip
    args: dict[str, Any] = {
        'rot_repr': 'aa', 'feature_dim': 32, 'n_heads': 4, 'n_layers': 1, 'd_style': 16, 'n_diff_steps': 20,
        'style_enc_ckpt': pathlib.PosixPath('experiments/SE/a/checkpoints/iter_0026000.pt'),
        'data_root': pathlib.PosixPath('datasets/HDTF_TFHP/lmdb'), 'stats_file': 'stats_train.npz',
        'guiding_conditions': 'audio,style', 'use_indicator': True, 'no_head_pose': not head,
        'align_mask_width': 1, 'no_use_learnable_pe': False, 'architecture': 'decoder',
    }  # fmt: skip
    state = DiffPoseTalkModel(config).state_dict()
    state['denoising_net.TE.pe'] = torch.zeros(1, 21, 32)
    torch.save({'args': argparse.Namespace(**args), 'model': state, 'iter': 110000}, folder / 'dn.pt')
    encoder = StyleEncoder(StyleEncoderConfig(16, 4, 1), config.motion_dim)
    sizes = {'feature_dim': 16, 'n_heads': 4, 'n_layers': 1, 'mlp_ratio': 4, 'n_motions': 100}
    se_args = argparse.Namespace(**sizes, data_root=pathlib.PosixPath('datasets/HDTF_THHQ/lmdb'))
    torch.save({'args': se_args, 'encoder': encoder.state_dict(), 'iter': 26000}, folder / 'se.pt')
    np.savez(folder / 'stats_train.npz', **stats())
