# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

from diffposetalk_ros.errors import AudioError, ConfigError  # noqa: E402
from diffposetalk_ros.model.networks.speech_encoder import (  # noqa: E402
    make_speech_encoder,
    pad_audio,
    speech_features,
)

SMALL = {
    'hidden_size': 16, 'num_hidden_layers': 1, 'num_attention_heads': 1, 'intermediate_size': 8,
    'conv_dim': [8] * 7, 'num_conv_pos_embeddings': 16, 'num_conv_pos_embedding_groups': 4,
}  # fmt: skip


def test_padding_reflects_twice() -> None:
    padded = pad_audio(torch.arange(640.0)[None])[0]
    assert len(padded) == 640 + 80
    expected = [*range(20), *range(20, 0, -1), *range(20)]
    assert padded[:60].tolist() == expected


@pytest.mark.parametrize(
    ('extra', 'growth'), [(0, 80), (1, 80), (40, 40), (43, 38), (79, 2), (80, 0), (319, 0)]
)
def test_padding_cases(extra: int, growth: int) -> None:
    samples = torch.randn(2, 640 + extra)
    padded = pad_audio(samples)
    assert padded.shape[1] == samples.shape[1] + growth
    torch.testing.assert_close(padded[:, growth // 2 :][:, : samples.shape[1]], samples)


@torch.no_grad()
def test_gain_and_offset_do_not_matter() -> None:
    encoder = make_speech_encoder('hubert', SMALL).eval()
    speech = torch.randn(1, 64000)
    plain = speech_features(encoder, speech, 100)
    assert plain.shape == (1, 100, 16)
    assert (plain - speech_features(encoder, 7 * speech + 3, 100)).abs().max() < 1e-3


def test_fused_attention_without_maps() -> None:
    config = make_speech_encoder('wav2vec2', SMALL).config
    assert config._attn_implementation == 'sdpa'
    assert not config.output_attentions


def test_wrong_input_is_named() -> None:
    with pytest.raises(AudioError, match='319 samples'):
        pad_audio(torch.zeros(1, 319))
    with pytest.raises(ConfigError, match='whisper'):
        make_speech_encoder('whisper')
    with pytest.raises(ConfigError, match='does not fit hubert'):
        make_speech_encoder('hubert', {'hidden_size': 15})
