# SPDX-License-Identifier: Apache-2.0
"""A model of the real architecture with random weights, and speech with known phones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.evaluation.speech_sets import SpeechClip
from diffposetalk_ros.training.animator import ARPABET

SPOKEN = [phone for phone in ARPABET if phone != 'SIL']


@pytest.fixture(scope='session')
def make_clip() -> Callable[..., SpeechClip]:
    """Clip of noise whose phones are drawn at random: `make_clip(name, seed, count)`."""

    def make(name: str, seed: int, count: int = 90) -> SpeechClip:
        rng = np.random.default_rng(seed)
        names = ['SIL', *(str(p) for p in rng.choice(SPOKEN, count)), 'SIL']
        lengths = [0.3, *rng.uniform(0.05, 0.14, count), 0.3]
        edges = np.concatenate([[0], np.cumsum(lengths)])
        phones = tuple((float(a), float(b), p) for a, b, p in zip(edges, edges[1:], names, strict=False))
        samples = rng.normal(0, 0.05, int(edges[-1] * 16000)).astype(np.float32)
        return SpeechClip(name, 'noise', 'test', samples, '', phones)

    return make


@pytest.fixture(scope='session')
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small model that answers in milliseconds."""
    torch = pytest.importorskip('torch')
    from safetensors.numpy import save_file

    from diffposetalk_ros.model.config import LogMelConfig, ModelConfig, StyleEncoderConfig
    from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel
    from diffposetalk_ros.model.networks.style_encoder import StyleEncoder
    from diffposetalk_ros.model.store import save_model

    torch.manual_seed(0)
    torch.set_num_threads(1)
    style_encoder = StyleEncoderConfig(
        feature_dim=16, n_heads=2, n_layers=1, mlp_ratio=2, position='per_frame'
    )
    config = ModelConfig(
        space='arkit',
        feature_dim=32,
        n_heads=2,
        n_layers=1,
        mlp_ratio=2,
        shape_dim=0,
        style_dim=16,
        variable_window=True,
        audio_encoder='logmel',
        logmel=LogMelConfig(n_mels=64, channels=16, hidden=16),
        style_encoder=style_encoder,
    )
    folder = tmp_path_factory.mktemp('model')
    width = config.motion_dim
    encoder = StyleEncoder(style_encoder, width)
    save_model(folder, DiffPoseTalkModel(config), (np.full(width, 0.2), np.full(width, 0.1)), encoder)
    rng = np.random.default_rng(0)
    names = ('neutral', 'smiling', 'lively')
    save_file({n: rng.normal(size=16).astype(np.float32) for n in names}, folder / 'styles.safetensors')
    return folder
