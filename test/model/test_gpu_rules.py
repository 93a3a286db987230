# SPDX-License-Identifier: Apache-2.0
"""What a CUDA graph may hold, checked where there is no GPU.

Torch's device 'meta' has shapes and types but no numbers. On it the networks run through every line they would run
through on a GPU; mixed types, anything that asks for a number on the host and, by `Captured`, any tensor on another
device is an error, as it would be while a graph is captured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

from diffposetalk_ros.benchmark.speed.requests import window_request  # noqa: E402
from diffposetalk_ros.diffusion.sampler import Inpainting  # noqa: E402
from diffposetalk_ros.model.backend import SamplingConfig  # noqa: E402
from diffposetalk_ros.model.config import ModelConfig  # noqa: E402
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel  # noqa: E402
from diffposetalk_ros.model.torch import backend as torch_backend  # noqa: E402
from diffposetalk_ros.util.resources import find_model  # noqa: E402

GUIDED = SamplingConfig('ddim', 4, 1.15, 3.0)


class Captured(TorchDispatchMode):
    """Refuses an operation between GPU and host; what the host does by itself is no part of a graph."""

    operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.operations += 1
        leaves = tree_leaves((args, kwargs, out))
        places = {leaf.device.type for leaf in leaves if isinstance(leaf, torch.Tensor)}
        assert len(places) < 2, f'{func} between {sorted(places)}'
        return out


class Loop:
    """Stands for `CudaGraphRunner`: runs what that would capture, without numbers."""

    made: list[Loop] = []

    def __init__(self, function: Any, example: Mapping[str, Any], device: Any, memory: Any) -> None:
        given = {name: torch.empty(array.shape, device=device) for name, array in example.items()}
        with Captured() as rules:
            self.output = function(given).float()
        self.operations = rules.operations
        Loop.made.append(self)

    def __call__(self, arrays: Mapping[str, Any]) -> Any:
        return np.zeros(self.output.shape, np.float32)


@pytest.fixture
def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a backend that captures graphs."""
    pytest.importorskip('transformers')
    monkeypatch.setattr(torch_backend, 'CudaGraphRunner', Loop)
    monkeypatch.setattr(torch_backend, '_array', lambda tensor: np.zeros(tensor.shape, np.float32))
    monkeypatch.setattr(Loop, 'made', [])

    def make(config: ModelConfig, precision: str) -> torch_backend.TorchBackend:
        backend = torch_backend.TorchBackend(DiffPoseTalkModel(config), device=f'meta/{precision}')
        backend._graphs = True
        return backend

    return make


@pytest.mark.parametrize('precision', ['float32', 'bfloat16', 'float16'])
@pytest.mark.parametrize('solver', ['ddim', 'dpmpp_2m', 'ddpm'])
@pytest.mark.parametrize('full', [True, False])
def test_the_whole_loop_can_be_a_graph(on_a_gpu: Any, full: bool, solver: str, precision: str) -> None:
    tiny = {'hidden_size': 64, 'num_hidden_layers': 1, 'num_attention_heads': 1, 'intermediate_size': 32}
    embedded = ModelConfig.load(find_model() / 'config.json')
    backend = on_a_gpu(ModelConfig(audio_encoder_config=tiny) if full else embedded, precision)
    for count, inpainted in ((1, False), (3, True)):
        request = window_request(backend.config, count, 6)
        if inpainted:
            request = replace(request, inpainting=Inpainting(request.noise, request.noise[..., :1]))
        motion = backend.sample(request, replace(GUIDED, solver=solver))
        assert motion.shape == request.noise.shape
    assert [len(loop.output) for loop in Loop.made] == [1, 4], 'rows are padded to powers of two'
    assert all(loop.output.is_meta and loop.output.dtype == torch.float32 for loop in Loop.made)
    assert all(loop.operations > 100 for loop in Loop.made)


@pytest.mark.parametrize('precision', ['float32', 'bfloat16'])
@pytest.mark.parametrize('encoder', ['hubert', 'wav2vec2'])
def test_the_speech_encoder_can_be_a_graph(on_a_gpu: Any, encoder: str, precision: str) -> None:
    backend = on_a_gpu(ModelConfig(audio_encoder=encoder), precision)
    for _ in range(2):
        features = backend.encode_audio(np.zeros((3, 640 * 100), np.float32), 100)
    assert features.shape == (3, 100, backend.config.feature_dim)
    (loop,) = Loop.made  # a shape that comes again
    assert loop.output.is_meta and loop.operations > 100


def test_a_visit_to_the_host_is_refused() -> None:
    value, host = torch.empty(3, device='meta'), torch.ones(3)
    with Captured():
        for visit in (lambda: value + 1.0 * host[0], lambda: host.to('meta'), lambda: value.copy_(host)):
            with pytest.raises(AssertionError, match=r"between \['cpu', 'meta'\]"):
                visit()
        for visit in (value.cpu, value.sum().item, value.nonzero):
            with pytest.raises((NotImplementedError, RuntimeError)):
                visit()
