# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

torch = pytest.importorskip('torch')

from diffposetalk_ros.errors import StyleError  # noqa: E402
from diffposetalk_ros.model.config import StyleEncoderConfig  # noqa: E402
from diffposetalk_ros.model.networks.style_encoder import StyleEncoder  # noqa: E402


def test_released_shape() -> None:
    net = StyleEncoder(StyleEncoderConfig(), 54).eval()
    assert sum(p.numel() for p in net.parameters()) == 800_128
    assert net(torch.randn(2, 100, 54)).shape == (2, 128)
    assert 'transformer.layers.3.norm2.bias' in net.state_dict()
    assert not any(key.startswith('positions') for key in net.state_dict())


@pytest.mark.parametrize(('position', 'order_matters'), [('legacy', False), ('per_frame', True)])
def test_order_of_frames(position: str, order_matters: bool) -> None:
    torch.manual_seed(0)
    config = StyleEncoderConfig(feature_dim=32, n_layers=2, position=position)
    net = StyleEncoder(config, 10).eval()
    motion = torch.randn(1, 40, 10)
    change = (net(motion) - net(motion[:, torch.randperm(40)])).abs().max().item()
    assert (change > 1e-2) is order_matters


def test_impossible_length_is_named() -> None:
    net = StyleEncoder(StyleEncoderConfig(feature_dim=32, n_layers=1), 10)
    with pytest.raises(StyleError, match='0 frames'):
        net(torch.zeros(1, 0, 10))
