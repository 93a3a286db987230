# SPDX-License-Identifier: Apache-2.0
"""Both back ends compute what the reference `sample_window` computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from windows import tiny_model, window  # noqa: E402

torch = pytest.importorskip('torch')

from diffposetalk_ros.model.backend import Backend, SamplingConfig, WindowRequest  # noqa: E402
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel  # noqa: E402
from diffposetalk_ros.model.onnx.backend import OnnxBackend  # noqa: E402
from diffposetalk_ros.model.store import load_model  # noqa: E402
from diffposetalk_ros.model.torch.backend import TorchBackend  # noqa: E402
from diffposetalk_ros.model.torch.sample_window import sample_window  # noqa: E402
from diffposetalk_ros.util.resources import find_model  # noqa: E402


class Three:
    """The reference and both back ends over one model folder."""

    def __init__(self, folder: Path) -> None:
        self.model: DiffPoseTalkModel = load_model(folder).model
        self.backends: list[Backend] = [TorchBackend.load(folder), OnnxBackend.load(folder, 'cpu')]

    def agree(self, request: WindowRequest, sampling: SamplingConfig, **tolerance: float) -> None:
        expected = sample_window(self.model, request, sampling).numpy()
        assert np.isfinite(expected).all()
        for backend in self.backends:
            np.testing.assert_allclose(
                backend.sample(request, sampling), expected, err_msg=backend.runner, **tolerance
            )


@pytest.fixture(scope='module')
def embedded() -> Three:
    return Three(find_model())


@pytest.mark.parametrize('solver', ['ddim', 'dpmpp_2m', 'ddpm'])
@pytest.mark.parametrize(('count', 'frames'), [(1, 2), (3, 5), (1, 100)])
def test_every_solver_and_window(embedded: Three, solver: str, count: int, frames: int) -> None:
    sampling = SamplingConfig(solver=solver, steps=3, flexibility=0.2)
    for past, style, inpainted in [(True, True, True), (False, True, False), (True, False, False)]:
        request = window(embedded.model.config, count, frames, past, style, inpainted)
        embedded.agree(request, sampling, atol=1e-5)


@pytest.mark.parametrize('scales', [(1.0, 1.0), (1.5, 1.5), (1.5, 1.0), (2.0, 3.0), (0.0, 0.0)])
@pytest.mark.parametrize('guidance', ['incremental', 'independent', 'independent_textbook'])
def test_every_guidance(embedded: Three, scales: tuple[float, float], guidance: str) -> None:
    audio, style = scales
    sampling = SamplingConfig(steps=2, guidance=guidance, scale_audio=audio, scale_style=style)
    embedded.agree(window(embedded.model.config, 2, 3), sampling, atol=2e-5)


@pytest.mark.parametrize('threshold', [(0.9, 0.5, 1.0), (0.99, 1.0, 4.0), (1.0, 0.2, 9.0), (0.3, 0.0, 0.1)])
def test_dynamic_thresholding(embedded: Three, threshold: tuple[float, float, float]) -> None:
    for frames in (2, 100):
        request = window(embedded.model.config, 2, frames)
        sampling = SamplingConfig(steps=3, scale_audio=1.5, scale_style=2.0)
        embedded.agree(request, replace(sampling, threshold=threshold), atol=2e-5)


VARIANTS = {
    'official': {},
    'plain': {'use_indicator': False, 'learnable_pe': False, 'n_layers': 1, 'n_diff_steps': 20},
    'noise': {'target': 'noise', 'audio_encoder': 'wav2vec2', 'guiding_conditions': ('style',)},
    'no_style': {'style_dim': 0, 'guiding_conditions': ('audio',)},
    'no_head': {'head_pose': False, 'cfg_mode': 'independent'},
    'distilled': {'scale_inputs': True},
}


@pytest.mark.parametrize('name', VARIANTS)
def test_every_kind_of_model(name: str, tmp_path: Path) -> None:
    config = tiny_model(tmp_path, **VARIANTS[name])
    three = Three(tmp_path)
    # A network that predicts noise is divided by sqrt(alpha_bar) = 1e-4 in the first step.
    tolerance = {'atol': 1e-5} if config.target == 'sample' else {'rtol': 1e-3, 'atol': 0.01}
    sampling = SamplingConfig(steps=3, scale_audio=1.15, scale_style=2.0)
    for inpainted, solver in ((False, 'ddim'), (False, 'ddpm'), (True, 'dpmpp_2m')):
        request = window(config, 2, 20, style=config.style_dim > 0, inpainted=inpainted)
        three.agree(request, replace(sampling, solver=solver), **tolerance)
        three.agree(request, replace(sampling, solver=solver, threshold=(0.9, 0.1, 1.0)), **tolerance)
