# SPDX-License-Identifier: Apache-2.0
"""The loop inside the graph gives what evaluating branch by branch and step by step gives."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from windows import tiny_model, window  # noqa: E402

from diffposetalk_ros.errors import AudioError, ConfigError, ModelError
from diffposetalk_ros.model.backend import SamplingConfig, WindowRequest
from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.model.onnx.backend import OnnxBackend
from diffposetalk_ros.util.resources import find_model

Pair = tuple[OnnxBackend, OnnxBackend]


@pytest.fixture(scope='module')
def pair() -> Pair:
    """The embedded model: loop in the graph, loop outside."""
    folder = find_model()
    config = ModelConfig.load(folder / 'config.json')
    return OnnxBackend(folder, config, 'cpu'), OnnxBackend(folder, config, 'cpu', loop=False)


def agree(pair: Pair, request: WindowRequest, sampling: SamplingConfig) -> None:
    inside, outside = (backend.sample(request, sampling) for backend in pair)
    np.testing.assert_allclose(inside, outside, atol=1e-5)


@pytest.mark.parametrize('solver', ['ddim', 'dpmpp_2m', 'ddpm'])
@pytest.mark.parametrize(('count', 'frames'), [(1, 2), (3, 5), (1, 100)])
def test_every_solver_and_window(pair: Pair, solver: str, count: int, frames: int) -> None:
    sampling = SamplingConfig(solver=solver, steps=3, flexibility=0.2)
    for past, style, known in [(True, True, True), (False, True, False), (True, False, False)]:
        agree(pair, window(pair[0].config, count, frames, past, style, known), sampling)


@pytest.mark.parametrize('scales', [(1.0, 1.0), (1.5, 1.5), (1.5, 1.0), (2.0, 3.0), (0.0, 0.0)])
@pytest.mark.parametrize('guidance', ['incremental', 'independent', 'independent_aliased'])
def test_every_guidance(pair: Pair, scales: tuple[float, float], guidance: str) -> None:
    audio, style = scales
    sampling = SamplingConfig(steps=2, guidance=guidance, scale_audio=audio, scale_style=style)
    agree(pair, window(pair[0].config, 2, 3), sampling)


def test_eight_steps_and_the_threshold(pair: Pair) -> None:
    agree(pair, window(pair[0].config, 1, 2), SamplingConfig(steps=8))
    agree(pair, window(pair[0].config, 1, 2), SamplingConfig(steps=2, threshold=(0.9, 0.5, 1.0)))


class Counting(OnnxBackend):
    calls = 0

    def _run_all(self, *arguments: Any) -> list[np.ndarray]:
        self.calls += 1
        return super()._run_all(*arguments)


def test_a_window_is_one_call_whatever_its_steps(pair: Pair) -> None:
    config = pair[0].config
    backend = Counting(find_model(), config, 'cpu')
    backend.sample(window(config, 3, 2, known=True), SamplingConfig(steps=8, scale_audio=1.5))
    assert backend.calls == 1


def test_bad_requests_are_named(pair: Pair) -> None:
    request = window(pair[0].config, 1, 2)
    with pytest.raises(ConfigError, match='step_noise'):
        pair[0].sample(replace(request, step_noise=None), SamplingConfig('ddpm', 2))
    with pytest.raises(ModelError, match='127'):
        pair[0].sample(replace(request, style=np.zeros((1, 127), np.float32)), SamplingConfig())
    with pytest.raises(ModelError, match='shape code of 100'):
        pair[0].sample(replace(request, shape=np.zeros((1, 100), np.float32)), SamplingConfig())


VARIANTS = {
    'official': {'use_indicator': True, 'audio_encoder': 'hubert'},
    'plain': {
        'use_indicator': False, 'audio_encoder': 'hubert', 'learnable_pe': False, 'n_layers': 1,
        'n_diff_steps': 20,
    },
    'noise': {'target': 'noise', 'audio_encoder': 'wav2vec2', 'guiding_conditions': ('style',)},
    'no_style': {'style_dim': 0, 'guiding_conditions': ('audio',), 'audio_encoder': 'hubert'},
}  # fmt: skip


@pytest.mark.parametrize('name', VARIANTS)
def test_imported_checkpoints_run_without_torch(name: str, tmp_path: Path) -> None:
    pytest.importorskip('torch')
    from diffposetalk_ros.model.torch.backend import TorchBackend

    config = tiny_model(tmp_path, **VARIANTS[name])
    onnx, torch = OnnxBackend.load(tmp_path, 'cpu'), TorchBackend.load(tmp_path)
    request = window(config, 2, 20, style=config.style_dim > 0)
    # x0 of a network that predicts noise is divided by 1e-4 in the first step.
    tolerance = {'atol': 1e-5} if config.target == 'sample' else {'rtol': 1e-3, 'atol': 1e-3}
    for sampling in (SamplingConfig(steps=3), SamplingConfig('ddpm', 3, scale_style=2.0)):
        expected = torch.sample(request, sampling)
        np.testing.assert_allclose(onnx.sample(request, sampling), expected, **tolerance)
    rng = np.random.default_rng(0)
    for samples, frames in [(12800, 20), (12801, 20), (13100, 19), (9000, 20)]:
        speech = rng.standard_normal((2, samples)).astype(np.float32)
        np.testing.assert_allclose(
            onnx.encode_audio(speech, frames), torch.encode_audio(speech, frames), atol=1e-4
        )
    with pytest.raises(AudioError, match='319'):
        onnx.encode_audio(np.zeros((1, 319), np.float32), 1)
