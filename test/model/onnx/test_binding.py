# SPDX-License-Identifier: Apache-2.0
"""Bound buffers give what a plain call gives, whatever was there before."""

import numpy as np
import pytest

from diffposetalk_ros.model.backend import SamplingConfig
from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.model.onnx.backend import OnnxBackend
from diffposetalk_ros.util.resources import find_model

pytest.importorskip('onnxruntime')

from diffposetalk_ros.benchmark.speed.requests import window_request  # noqa: E402
from diffposetalk_ros.model.mel_context import logmel_context  # noqa: E402


def test_plain_and_bound_agree_while_shapes_change() -> None:
    folder = find_model()
    config = ModelConfig.load(folder / 'config.json')
    plain, bound = (OnnxBackend(folder, config, 'cpu', bind=bind) for bind in (False, True))
    sampling = SamplingConfig(steps=2)
    kept = []
    for count, frames in [(1, 2), (1, 2), (3, 4), (1, 2), (1, 30), (3, 4)]:
        request = window_request(config, count, frames)
        request.noise[:] += len(kept)
        kept.append((bound.sample(request, sampling), plain.sample(request, sampling)))
    # Nothing handed out is overwritten by a later call.
    for got, expected in kept:
        np.testing.assert_array_equal(got, expected)
    assert config.logmel is not None
    length = sum(logmel_context(config.logmel)) + 4 * 6
    mel = np.random.default_rng(0).standard_normal((1, length, config.logmel.n_mels)).astype(np.float32)
    np.testing.assert_array_equal(bound.encode_mel(mel), plain.encode_mel(mel))
