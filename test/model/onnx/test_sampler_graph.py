# SPDX-License-Identifier: Apache-2.0
"""The loop as an ONNX graph; its numbers are compared in test/model/torch/test_sample_window.py."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from windows import tiny_model, window  # noqa: E402

from diffposetalk_ros.errors import AudioError, ConfigError, ModelError
from diffposetalk_ros.model.backend import SamplingConfig
from diffposetalk_ros.model.onnx.backend import OnnxBackend
from diffposetalk_ros.util.resources import find_model


@pytest.fixture(scope='module')
def embedded() -> OnnxBackend:
    return OnnxBackend.load(find_model(), 'cpu')


class Counting(OnnxBackend):
    calls = 0

    def _run(self, *arguments: Any, **feeds: Any) -> np.ndarray:
        self.calls += 1
        return super()._run(*arguments, **feeds)


def test_a_window_is_one_call_whatever_its_steps(embedded: OnnxBackend) -> None:
    config = embedded.config
    backend = Counting(find_model(), config, 'cpu')
    sampling = SamplingConfig(steps=8, scale_audio=1.5, threshold=(0.9, 1.0, 4.0))
    backend.sample(window(config, 3, 2, inpainted=True), sampling)
    assert backend.calls == 1


def test_bad_requests_are_named(embedded: OnnxBackend) -> None:
    request = window(embedded.config, 1, 2)
    with pytest.raises(ConfigError, match='step_noise'):
        embedded.sample(replace(request, step_noise=None), SamplingConfig('ddpm', 2))
    with pytest.raises(ModelError, match='127'):
        embedded.sample(replace(request, style=np.zeros((1, 127), np.float32)), SamplingConfig())
    with pytest.raises(ModelError, match='shape code of 100'):
        embedded.sample(replace(request, shape=np.zeros((1, 100), np.float32)), SamplingConfig())
    with pytest.raises(ModelError, match='window of 101 frames does not fit this model; it takes 1 to 100'):
        embedded.sample(window(embedded.config, 1, 101), SamplingConfig())


def test_a_graph_of_another_version_is_named(tmp_path: Path) -> None:
    onnx = pytest.importorskip('onnx')
    folder = tmp_path / 'model'
    shutil.copytree(find_model(), folder)
    model = onnx.load(str(folder / 'sampler.onnx'), load_external_data=False)
    for value in model.graph.input:
        if value.name == 'coefficients':
            value.name = 'table'
    for node in [*model.graph.node, *(n for m in model.graph.node for a in m.attribute for n in a.g.node)]:
        node.input[:] = ['table' if name == 'coefficients' else name for name in node.input]
    (folder / 'sampler.onnx').write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match='another version .* diffposetalk export --model'):
        OnnxBackend.load(folder, 'cpu')


VARIANTS = {
    'hubert': {'audio_encoder': 'hubert'},
    'wav2vec2': {'audio_encoder': 'wav2vec2'},
}


@pytest.mark.parametrize('name', VARIANTS)
def test_speech_encoders_run_without_torch(name: str, tmp_path: Path) -> None:
    pytest.importorskip('torch')
    from diffposetalk_ros.model.torch.backend import TorchBackend

    tiny_model(tmp_path, **VARIANTS[name])
    onnx, torch = OnnxBackend.load(tmp_path, 'cpu'), TorchBackend.load(tmp_path)
    rng = np.random.default_rng(0)
    for samples, frames in [(12800, 20), (12801, 20), (13100, 19), (9000, 20)]:
        speech = rng.standard_normal((2, samples)).astype(np.float32)
        np.testing.assert_allclose(
            onnx.encode_audio(speech, frames), torch.encode_audio(speech, frames), atol=1e-4
        )
    with pytest.raises(AudioError, match='319'):
        onnx.encode_audio(np.zeros((1, 319), np.float32), 1)
