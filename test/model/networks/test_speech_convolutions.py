# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

from diffposetalk_ros.model.networks.speech_convolutions import convolve  # noqa: E402
from diffposetalk_ros.model.networks.speech_encoder import make_speech_encoder  # noqa: E402

SMALL = {
    'hidden_size': 16, 'num_hidden_layers': 1, 'num_attention_heads': 1, 'intermediate_size': 8,
    'conv_dim': [8] * 7, 'num_conv_pos_embeddings': 16, 'num_conv_pos_embedding_groups': 4,
}  # fmt: skip


@pytest.mark.parametrize('norm', ['group', 'layer'])
@pytest.mark.parametrize('samples', [32080, 20011])
@torch.no_grad()
def test_pieces_equal_the_whole(norm: str, samples: int) -> None:
    torch.manual_seed(0)
    encoder = make_speech_encoder('hubert', SMALL | {'feat_extract_norm': norm}).eval()
    first = encoder.feature_extractor.conv_layers[0].layer_norm
    torch.nn.init.normal_(first.weight)
    torch.nn.init.normal_(first.bias)
    audio = torch.randn(2, samples) + 0.3
    whole = encoder.feature_extractor(audio)
    for piece in (17, 60):
        parts = convolve(encoder.feature_extractor, audio, piece)
        assert parts.shape == whole.shape
        assert (parts - whole).abs().max() < 1e-5


def test_gradients_still_flow() -> None:
    encoder = make_speech_encoder('hubert', SMALL)
    convolve(encoder.feature_extractor, torch.randn(1, 6400), piece=4).sum().backward()
    assert encoder.feature_extractor.conv_layers[0].conv.weight.grad is not None
