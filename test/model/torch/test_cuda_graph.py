# SPDX-License-Identifier: Apache-2.0
"""Buffers that stay; half precision. CUDA graphs themselves run only where a GPU is."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from diffposetalk_ros.benchmark.speed.requests import window_request  # noqa: E402
from diffposetalk_ros.errors import ConfigError  # noqa: E402
from diffposetalk_ros.model.backend import SamplingConfig  # noqa: E402
from diffposetalk_ros.model.config import ModelConfig  # noqa: E402
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel  # noqa: E402
from diffposetalk_ros.model.torch.backend import TorchBackend, padded_rows  # noqa: E402
from diffposetalk_ros.model.torch.cuda_graph import CudaGraphRunner  # noqa: E402
from diffposetalk_ros.util.resources import find_model  # noqa: E402

DEVICES = ['cpu', *(['cuda'] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize('device', DEVICES)
def test_results_are_the_callers_own(device: str) -> None:
    example = {'a': np.ones((2, 3), np.float32), 'b': np.zeros((2, 3), np.float32)}
    loop = CudaGraphRunner(lambda given: given['a'] - 2 * given['b'], example, torch.device(device))
    assert loop.captured == (device == 'cuda')
    first = loop(example)
    second = loop({'a': np.full((2, 3), 5, np.float32), 'b': example['a']})
    np.testing.assert_array_equal(first, 1)
    np.testing.assert_array_equal(second, 3)
    np.testing.assert_array_equal(example['a'], 1)


def test_rows_are_padded_to_a_power_of_two() -> None:
    rows = np.arange(5, dtype=np.float32)[:, None]
    assert padded_rows(rows)[:, 0].tolist() == [0, 1, 2, 3, 4, 4, 4, 4]
    assert padded_rows(rows[:4]) is not None and len(padded_rows(rows[:4])) == 4
    assert padded_rows(np.zeros((3, 5, 2), np.float32), second=True).shape == (3, 8, 2)


@pytest.mark.parametrize('device', DEVICES)
def test_bfloat16_stays_within_its_tolerance(device: str) -> None:
    exact, half = (TorchBackend.load(find_model(), word) for word in ('cpu', f'{device}/bfloat16'))
    request = window_request(exact.config, 3, 6)
    sampling = SamplingConfig(steps=4, scale_audio=1.5, scale_style=1.0)
    difference = np.abs(half.sample(request, sampling) - exact.sample(request, sampling))
    # In deviations of the motion. Eight bits of mantissa through four layers and four steps.
    assert np.sqrt((difference**2).mean()) < 0.05 and difference.max() < 0.4
    with pytest.raises(ConfigError, match='float16 needs a GPU'):
        TorchBackend.load(find_model(), 'cpu/float16')


def test_a_speech_window_that_comes_again_is_kept_and_growing_ones_are_not() -> None:
    pytest.importorskip('transformers')
    sizes = {
        'hidden_size': 64, 'num_hidden_layers': 1, 'num_attention_heads': 1, 'intermediate_size': 32,
        'conv_dim': [16] * 7, 'num_conv_pos_embeddings': 16, 'num_conv_pos_embedding_groups': 4,
    }  # fmt: skip
    torch.manual_seed(0)
    config = ModelConfig(feature_dim=32, n_heads=4, n_layers=1, audio_encoder_config=sizes)
    plain = TorchBackend(DiffPoseTalkModel(config))
    kept = TorchBackend(plain._model)
    kept._graphs = True  # the same buffers, without a graph on a CPU
    sound = np.random.default_rng(0).normal(size=(3, 640 * 12)).astype(np.float32)
    for frames in (9, 10, 11):
        kept.encode_audio(sound[:, : 640 * frames], frames)
    assert not kept._runners
    for _ in range(3):
        kept.encode_audio(sound, 12)
    assert len(kept._runners) == 1
    np.testing.assert_allclose(kept.encode_audio(sound, 12), plain.encode_audio(sound, 12), atol=1e-6)
    np.testing.assert_allclose(
        kept.encode_audio(-sound[:1], 12), plain.encode_audio(-sound[:1], 12), atol=1e-6
    )
