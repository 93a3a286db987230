# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest

torch = pytest.importorskip('torch')

from torch import nn  # noqa: E402

from diffposetalk_ros.errors import ModelError  # noqa: E402
from diffposetalk_ros.model.config import ModelConfig  # noqa: E402
from diffposetalk_ros.model.networks.denoiser import Denoiser, attention_mask  # noqa: E402

TINY = ModelConfig(
    space='arkit', n_motions=12, n_prev_motions=3, feature_dim=32, n_heads=4, n_layers=2,
    shape_dim=0, style_dim=8, n_diff_steps=20, audio_encoder='logmel', variable_window=True,
)  # fmt: skip


def inputs(config: ModelConfig, n: int = 2, window: int | None = None) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    frames, width = window or config.n_motions, config.feature_dim
    return {
        'motion': torch.randn(n, frames, config.motion_dim),
        'audio': torch.randn(n, frames, width),
        'person': torch.randn(n, 1, config.shape_dim + config.style_dim),
        'previous_motion': torch.randn(n, config.n_prev_motions, config.motion_dim),
        'previous_audio': torch.randn(n, config.n_prev_motions, width),
        'step': torch.tensor([1, config.n_diff_steps][:n]),
        'indicator': torch.ones(n, frames),
    }


@pytest.mark.parametrize('width', [0, 1, 2, 5])
def test_decoder_equals_torchs_own(width: int) -> None:
    config = dataclasses.replace(TINY, align_mask_width=width)
    net = Denoiser(config).eval()
    layer = nn.TransformerDecoderLayer(32, 4, 128, activation='gelu', batch_first=True)
    reference = nn.TransformerDecoder(layer, 2).eval()
    state = {k.removeprefix('transformer.'): v for k, v in net.state_dict().items() if 'transformer' in k}
    reference.load_state_dict(state)
    h, memory = torch.randn(2, 16, 32), torch.randn(2, 15, 32)
    allowed = attention_mask(15, width)
    expected = reference(h, memory, memory_mask=None if allowed is None else ~allowed)
    remembered = net.project_kv(memory[:, :3], memory[:, 3:])
    for block, block_memory in zip(net.transformer.layers, remembered, strict=True):
        h = block(h, block_memory, allowed)
    assert (h - expected).abs().max() < 2e-6


def test_short_windows_use_the_first_positions() -> None:
    net = Denoiser(TINY).eval()
    assert net(**inputs(TINY)).shape == (2, 15, 55)
    assert net(**inputs(TINY, window=4)).shape == (2, 7, 55)
    fixed = Denoiser(dataclasses.replace(TINY, variable_window=False)).eval()
    with pytest.raises(ModelError, match='exactly 12'):
        fixed(**inputs(TINY, window=4))


def test_without_person_and_without_indicator() -> None:
    config = dataclasses.replace(TINY, style_dim=0, use_indicator=False)
    net = Denoiser(config).eval()
    values = inputs(config) | {'person': None, 'indicator': None}
    assert net(**values).shape == (2, 15, 55)
    with pytest.raises(ModelError, match='takes no indicator'):
        net(**(values | {'indicator': torch.ones(2, 12)}))


def test_released_configuration_has_the_published_size() -> None:
    with torch.device('meta'):
        net = Denoiser(ModelConfig())
    assert sum(p.numel() for p in net.parameters()) == 34_505_526
    keys = set(net.state_dict())
    assert {'PE', 'diff_step_map.0.weight', 'person_proj.bias', 'feature_proj.weight'} <= keys
    assert 'transformer.layers.7.multihead_attn.in_proj_weight' in keys


def test_dropped_alignment_weights_in_training_keep_the_mean() -> None:
    net = Denoiser(TINY).train()
    attention = net.transformer.layers[0].multihead_attn
    value = torch.ones(1, 4, 2000, 8)
    torch.nn.init.eye_(attention.out_proj.weight)
    out = attention.attend_aligned(value)
    assert all(v == 0 or abs(v - 1 / 0.9) < 1e-6 for v in out.unique().tolist())
    assert abs(out.mean().item() - 1) < 0.03
