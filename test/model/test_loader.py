# SPDX-License-Identifier: Apache-2.0
"""Which back end runs a model, and where."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip('torch')

from diffposetalk_ros.errors import ConfigError  # noqa: E402
from diffposetalk_ros.model import loader  # noqa: E402
from diffposetalk_ros.model.loader import load_backend, open_model  # noqa: E402
from diffposetalk_ros.model.onnx.backend import OnnxBackend  # noqa: E402
from diffposetalk_ros.model.torch.backend import TorchBackend  # noqa: E402
from diffposetalk_ros.util.resources import find_model  # noqa: E402

Choice = Callable[..., str]


@pytest.fixture
def choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Choice:
    """What would be opened for a model, a back end and a device, on a machine with these things."""
    monkeypatch.setattr(OnnxBackend, 'load', lambda folder, device: f'onnx {device}')
    monkeypatch.setattr(TorchBackend, 'load', lambda folder, device: f'torch {device}')
    heavy = tmp_path / 'heavy'
    heavy.mkdir()
    shutil.copy(find_model() / 'sampler.onnx', heavy)
    (heavy / 'config.json').write_text(json.dumps({'audio_encoder': 'hubert'}))
    folders = {'light': find_model(), 'heavy': heavy}

    def choose(model: str, backend: str, device: str, *, driver: bool, cuda: bool = False) -> str:
        monkeypatch.setattr(loader, 'has_nvidia_driver', lambda: driver)
        monkeypatch.setattr('torch.cuda.is_available', lambda: cuda)
        return str(load_backend(folders[model], backend, device))

    return choose


def test_automatic_is_the_cpu_for_a_light_model_and_without_a_driver(choice: Choice) -> None:
    assert choice('light', 'auto', 'auto', driver=True, cuda=True) == 'onnx cpu'
    assert choice('light', 'auto', 'auto', driver=False) == 'onnx cpu'
    assert choice('heavy', 'auto', 'auto', driver=False) == 'onnx cpu'
    assert choice('heavy', 'torch', 'auto', driver=False) == 'torch cpu'


def test_automatic_is_a_gpu_for_a_heavy_one(choice: Choice) -> None:
    assert choice('heavy', 'auto', 'auto', driver=True, cuda=True) == 'torch cuda'
    assert choice('heavy', 'auto', 'auto', driver=True, cuda=False) == 'onnx auto', (
        'onnxruntime-gpu may be there'
    )
    assert choice('heavy', 'onnx', 'auto', driver=True, cuda=True) == 'onnx auto'
    assert choice('heavy', 'torch', 'auto', driver=True, cuda=False) == 'torch cpu'


def test_a_named_gpu_is_torchs_where_torch_has_it(choice: Choice) -> None:
    assert choice('light', 'auto', 'cuda:1', driver=True, cuda=True) == 'torch cuda:1'
    assert choice('light', 'auto', 'cuda:1', driver=True, cuda=False) == 'onnx cuda:1'
    assert choice('light', 'torch', 'cuda', driver=False) == 'torch cuda', 'which says that there is none'
    assert choice('light', 'auto', 'tensorrt/float16', driver=True, cuda=True) == 'onnx tensorrt/float16'


def test_half_precision_is_torchs(choice: Choice) -> None:
    assert choice('light', 'auto', 'cpu/bfloat16', driver=False) == 'torch cpu/bfloat16'
    assert choice('heavy', 'auto', 'auto/bfloat16', driver=True, cuda=True) == 'torch cuda/bfloat16'


def test_real_ones_tell_what_they_run_on() -> None:
    assert load_backend(find_model(), device='cpu').runner == 'ONNX Runtime on CPU'
    assert load_backend(find_model(), device='cpu/bfloat16').runner == 'torch on cpu/bfloat16'
    with pytest.raises(ConfigError, match="backend 'tensorflow'"):
        load_backend(find_model(), 'tensorflow')


def test_a_model_is_known_by_its_weights_or_by_its_graph(tmp_path: Path) -> None:
    model = open_model('embedded')
    weights = hashlib.sha256((model.folder / 'model.safetensors').read_bytes()).hexdigest()
    assert model.checksum() == weights
    (tmp_path / 'sampler.onnx').write_bytes(b'graph')
    assert replace(model, folder=tmp_path).checksum() == hashlib.sha256(b'graph').hexdigest()
