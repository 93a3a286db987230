# SPDX-License-Identifier: Apache-2.0
"""A distilled model takes the guidance scales as inputs, in one pass, with either run time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from windows import tiny_model, window  # noqa: E402

from diffposetalk_ros.diffusion.guidance import Branch
from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.backend import SamplingConfig
from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.model.guided import branches_for, scale_code

GUIDED = ModelConfig(scale_inputs=True)


def test_one_branch_that_is_told_the_scales() -> None:
    sampling = SamplingConfig(scale_audio=1.5, scale_style=2.0)
    assert branches_for(GUIDED, True, sampling) == (Branch(True, True, 1.0),)
    assert scale_code(GUIDED, True, sampling).tolist() == [4.0, 8.0]
    assert scale_code(GUIDED, False, sampling).tolist() == [4.0, 0.0]
    plain = ModelConfig()
    assert scale_code(plain, True, sampling) is None
    assert len(branches_for(plain, True, sampling)) == 3
    assert len(branches_for(plain, False, sampling)) == 2


def test_without_a_wish_the_branches_are_mixed_as_the_reference_does() -> None:
    for mode in ('incremental', 'independent'):
        config = ModelConfig(cfg_mode=mode)
        scales = {'scale_audio': 1.15, 'scale_style': 3.0}
        wanted = branches_for(config, True, SamplingConfig(**scales, guidance=mode))
        assert branches_for(config, True, SamplingConfig(**scales)) == wanted


@pytest.mark.parametrize(('conditions', 'count'), [(None, 3), (('audio',), 2), (('style',), 2), ((), 1)])
def test_only_what_is_guided_by_takes_a_branch(conditions: tuple[str, ...] | None, count: int) -> None:
    sampling = SamplingConfig(scale_audio=1.15, scale_style=3.0, conditions=conditions)
    branches = branches_for(ModelConfig(), True, sampling)
    assert len(branches) == count
    assert branches[-1] != branches[0] or count == 1


def test_what_it_was_not_distilled_for_is_refused() -> None:
    with pytest.raises(ConfigError, match='scale_audio 5; this model was distilled for 1 to 3'):
        scale_code(GUIDED, True, SamplingConfig(scale_audio=5.0))
    with pytest.raises(ConfigError, match="'independent'; this model was distilled for 'incremental'"):
        branches_for(GUIDED, True, SamplingConfig(guidance='independent'))


def test_torch_and_onnx_agree_and_the_scales_matter(tmp_path: Path) -> None:
    pytest.importorskip('torch')
    from diffposetalk_ros.model.onnx.backend import OnnxBackend
    from diffposetalk_ros.model.torch.backend import TorchBackend

    config = tiny_model(tmp_path, scale_inputs=True)
    torch = TorchBackend.load(tmp_path)
    graph = OnnxBackend.load(tmp_path, 'cpu')
    made = []
    for scale in (1.0, 2.0):
        sampling = SamplingConfig(steps=3, scale_audio=scale, scale_style=1.5)
        for style in (True, False):
            request = window(config, 2, 20, style=style)
            expected = torch.sample(request, sampling)
            np.testing.assert_allclose(graph.sample(request, sampling), expected, atol=1e-5)
            made.append(expected)
    assert np.abs(made[0] - made[2]).max() > 1e-4
