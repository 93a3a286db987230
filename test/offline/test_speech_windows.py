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
from diffposetalk_ros.offline.speech_windows import context_features, speech_windows, window_features  # noqa: E402

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


def test_windows_without_context_are_encoded_one_by_one(backend: TorchBackend) -> None:
    """The official demo's --no_context_audio_feat: samples of each window, normalised with the clip."""
    audio = speech(9.3)
    normalised = (audio - audio.mean()) / (audio.std(ddof=1) + 1e-5)
    padded = np.pad(normalised, (0, 3 * 64000 - len(audio)))
    expected = np.concatenate(
        [backend.encode_audio(padded[None, i : i + 64000], 100)[0] for i in (0, 64000, 128000)]
    )
    np.testing.assert_allclose(window_features(backend, audio), expected, atol=1e-5)
    blocks = [audio[:50000], audio[50000:]]
    for exact in (60.0, 1.0):  # in memory, and by way of the temporary file
        made = list(speech_windows(backend, blocks, exact, context=False))
        assert [real for _, real in made] == [100, 100, 32]
        features = np.concatenate([features for features, _ in made])
        np.testing.assert_allclose(features, expected, atol=1e-4)
    assert np.abs(context_features(backend, audio) - expected).max() > 1e-2


def test_what_is_shorter_than_a_frame_gives_nothing(backend: TorchBackend) -> None:
    assert list(speech_windows(backend, [speech(0.03)])) == []
