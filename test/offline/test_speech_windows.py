# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging

import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

from diffposetalk_ros.model.config import ModelConfig  # noqa: E402
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel  # noqa: E402
from diffposetalk_ros.model.torch.backend import TorchBackend  # noqa: E402
from diffposetalk_ros.offline import speech_windows as speech_context  # noqa: E402
from diffposetalk_ros.offline.speech_windows import context_features, speech_windows  # noqa: E402

SPEECH = {
    'hidden_size': 16, 'num_hidden_layers': 1, 'num_attention_heads': 1, 'intermediate_size': 8,
    'conv_dim': [8] * 7, 'num_conv_pos_embeddings': 16, 'num_conv_pos_embedding_groups': 4,
}  # fmt: skip


@pytest.fixture(scope='module')
def backend() -> TorchBackend:
    torch.manual_seed(0)
    config = ModelConfig(feature_dim=16, n_heads=2, n_layers=1, audio_encoder_config=SPEECH)
    return TorchBackend(DiffPoseTalkModel(config))


def speech(seconds: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    return (0.2 * rng.normal(size=int(seconds * 16000))).astype(np.float32)


def collect(backend: TorchBackend, audio: np.ndarray, exact: float) -> tuple[np.ndarray, list[int]]:
    blocks = (audio[i : i + 5000] for i in range(0, len(audio), 5000))
    windows = list(speech_windows(backend, blocks, exact))
    return np.concatenate([features for features, _ in windows]), [real for _, real in windows]


@pytest.mark.parametrize('pad_mode', ['zero', 'replicate'])
def test_pieces_come_close_to_the_whole(
    backend: TorchBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, pad_mode: str
) -> None:
    from dataclasses import replace

    monkeypatch.setattr(backend, 'config', replace(backend.config, pad_mode=pad_mode))
    monkeypatch.setattr(speech_context, '_PIECE_SECONDS', 8.0)
    monkeypatch.setattr(speech_context, '_CONTEXT_SECONDS', 4.0)
    audio = speech(25.31)
    whole, lengths = collect(backend, audio, 60.0)
    assert np.array_equal(whole, context_features(backend, audio))
    with caplog.at_level(logging.WARNING):
        pieces, same_lengths = collect(backend, audio, 10.0)
    assert lengths == same_lengths == [100] * 6 + [32]
    assert 'pieces' in caplog.text
    # Attention sees less far and the first normalisation uses the piece's numbers: close, not equal.
    full = slice(0, 400)
    assert np.abs(pieces - whole)[full].mean() < 0.15 * np.abs(whole[full]).mean()


def test_what_is_shorter_than_a_frame_gives_nothing(backend: TorchBackend) -> None:
    assert list(speech_windows(backend, [speech(0.03)])) == []
