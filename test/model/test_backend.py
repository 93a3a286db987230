# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.backend import SamplingConfig, noise_scale
from diffposetalk_ros.model.config import ModelConfig

ARKIT = ModelConfig(space='arkit', shape_dim=0, mouth_noise=0.25)


def test_less_noise_reaches_the_mouth_only() -> None:
    scale = noise_scale(ARKIT, SamplingConfig())
    layout = ARKIT.layout
    assert scale.shape == (55,) and scale.dtype == np.float32
    for name in ('jawOpen', 'mouthClose', 'mouthSmileLeft', 'tongueOut'):
        assert scale[layout.index(name)] == 0.25
    for name in ('browInnerUp', 'eyeBlinkLeft', 'cheekPuff', 'noseSneerLeft', 'headRotationX'):
        assert scale[layout.index(name)] == 1.0


def test_the_setting_replaces_the_models_own() -> None:
    sampling = SamplingConfig(mouth_noise=1.0)
    assert (noise_scale(ARKIT, sampling) == 1.0).all()
    assert (noise_scale(ModelConfig(), SamplingConfig()) == 1.0).all()


def test_a_regressor_knows_no_noise() -> None:
    assert not noise_scale(replace(ARKIT, deterministic=True), SamplingConfig()).any()


def test_impossible_noise_is_refused() -> None:
    with pytest.raises(ConfigError, match='mouth noise 2'):
        noise_scale(ARKIT, SamplingConfig(mouth_noise=2.0))
    with pytest.raises(ConfigError, match='mouth_noise -1'):
        replace(ARKIT, mouth_noise=-1.0)
