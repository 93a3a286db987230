# SPDX-License-Identifier: Apache-2.0
"""Contract: torch and ONNX Runtime give the same numbers from the weights that ship."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.errors import ModelError, StyleError
from diffposetalk_ros.model.backend import SamplingConfig, WindowRequest
from diffposetalk_ros.model.onnx.backend import OnnxBackend
from diffposetalk_ros.util.resources import find_model


@pytest.fixture(scope='module')
def onnx() -> OnnxBackend:
    return OnnxBackend.load(find_model(), 'cpu')


def _request(frames: int, seed: int = 0, style: bool = True) -> WindowRequest:
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    return WindowRequest(
        audio=normal(2, frames, 192),
        noise=normal(2, frames, 55),
        previous_motion=normal(2, 10, 55),
        previous_audio=normal(2, 10, 192),
        style=normal(2, 128) if style else None,
        indicator=np.ones((2, frames), np.float32),
        step_noise=lambda t: np.random.default_rng(t).standard_normal((2, frames, 55)).astype(np.float32),
    )


@pytest.mark.parametrize('frames', [1, 3, 100])
@pytest.mark.parametrize('style', [True, False])
@pytest.mark.parametrize('solver', ['ddim', 'dpmpp_2m', 'ddpm'])
def test_agrees_with_torch(onnx: OnnxBackend, frames: int, style: bool, solver: str) -> None:
    pytest.importorskip('torch')
    from diffposetalk_ros.model.torch.backend import TorchBackend

    reference = TorchBackend.load(find_model())
    sampling = SamplingConfig(solver=solver, steps=3)
    request = _request(frames, style=style)
    np.testing.assert_allclose(onnx.sample(request, sampling), reference.sample(request, sampling), atol=1e-4)


def test_encoders_agree_with_torch(onnx: OnnxBackend) -> None:
    pytest.importorskip('torch')
    from diffposetalk_ros.model.torch.backend import TorchBackend

    reference = TorchBackend.load(find_model())
    rng = np.random.default_rng(0)
    speech = rng.normal(0, 0.1, (1, 16000)).astype(np.float32)
    np.testing.assert_allclose(onnx.encode_audio(speech, 25), reference.encode_audio(speech, 25), atol=1e-4)
    clip = rng.standard_normal((2, 60, 55)).astype(np.float32)
    np.testing.assert_allclose(onnx.encode_style(clip), reference.encode_style(clip), atol=1e-4)


def test_rows_of_a_batch_do_not_touch_each_other(onnx: OnnxBackend) -> None:
    both, other = _request(5), _request(5, seed=1)
    mixed = WindowRequest(
        **{
            name: np.concatenate([getattr(both, name)[:1], getattr(other, name)[1:]])
            for name in ('audio', 'noise', 'previous_motion', 'previous_audio', 'style', 'indicator')
        }
    )
    sampling = SamplingConfig(steps=2)
    np.testing.assert_allclose(onnx.sample(mixed, sampling)[0], onnx.sample(both, sampling)[0], atol=1e-5)


def test_bad_arrays_are_named(onnx: OnnxBackend) -> None:
    request = _request(5)
    with pytest.raises(ModelError, match='do not fit'):
        onnx.sample(WindowRequest(audio=request.audio[:, :3], noise=request.noise), SamplingConfig())
    with pytest.raises(StyleError, match='751'):
        onnx.encode_style(np.zeros((1, 751, 55), np.float32))


def test_missing_graph_names_the_command(tmp_path) -> None:
    (tmp_path / 'config.json').write_text((find_model() / 'config.json').read_text())
    with pytest.raises(ModelError, match='diffposetalk export'):
        OnnxBackend.load(tmp_path)


@pytest.mark.parametrize('key', ['n_diff_steps', 'shape_dim'])
def test_graphs_of_another_configuration_are_named(key: str, tmp_path: Path) -> None:
    folder = tmp_path / 'model'
    shutil.copytree(find_model(), folder)
    config = json.loads((folder / 'config.json').read_text())
    (folder / 'config.json').write_text(json.dumps({**config, key: 9999}))
    shape = np.zeros((2, 9999), np.float32) if key == 'shape_dim' else None
    with pytest.raises(ModelError, match='sampler.onnx cannot be run .* export it again') as caught:
        OnnxBackend.load(folder, 'cpu').sample(replace(_request(3), shape=shape), SamplingConfig(steps=2))
    assert '\n' not in str(caught.value)
