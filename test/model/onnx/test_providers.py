# SPDX-License-Identifier: Apache-2.0
"""One word chooses the hardware; what is not there, or does not start, is named and the next best is used."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from diffposetalk_ros.benchmark.speed.requests import window_request
from diffposetalk_ros.errors import ConfigError, ModelError
from diffposetalk_ros.model.backend import SamplingConfig
from diffposetalk_ros.model.device import parse_device
from diffposetalk_ros.model.onnx import providers as onnx_providers
from diffposetalk_ros.model.onnx.backend import OnnxBackend
from diffposetalk_ros.model.onnx.providers import open_session, provider_reason, providers
from diffposetalk_ros.util.resources import find_model

CUDA, TENSORRT, CPU = 'CUDAExecutionProvider', 'TensorrtExecutionProvider', 'CPUExecutionProvider'


def names(word: str) -> list[str]:
    return [name for name, _ in providers(parse_device(word))]


def options(word: str) -> dict[str, dict[str, str]]:
    return dict(providers(parse_device(word)))


def told(caplog: pytest.LogCaptureFixture, *words: str) -> int:
    """How many messages hold all of these words."""
    return sum(all(word in message for word in words) for message in caplog.messages)


@pytest.fixture
def gpu_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver, and a build of ONNX Runtime for GPUs."""
    monkeypatch.setattr(onnx_providers, 'has_nvidia_driver', lambda: True)
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [TENSORRT, CUDA, CPU])


def test_the_cpu_is_always_there() -> None:
    assert names('cpu') == [CPU]
    assert names('auto')[-1] == CPU


@pytest.mark.usefixtures('gpu_build')
def test_all_there() -> None:
    assert names('tensorrt') == [TENSORRT, CUDA, CPU]
    assert names('cuda') == names('auto') == names('cuda:1') == [CUDA, CPU]


@pytest.mark.usefixtures('gpu_build')
def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [CPU])
    assert names('auto') == [CPU] and not caplog.messages
    assert names('cuda') == [CPU]
    assert told(caplog, CUDA, 'onnxruntime-gpu', 'CPU')
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [CUDA, CPU])
    assert names('tensorrt') == [CUDA, CPU]
    assert told(caplog, TENSORRT, CUDA)


@pytest.mark.usefixtures('gpu_build')
def test_without_a_driver_no_gpu_is_tried(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(onnx_providers, 'has_nvidia_driver', lambda: False)
    assert names('auto') == [CPU] and not caplog.messages
    assert names('tensorrt') == [CPU]
    assert told(caplog, 'tensorrt', 'libcuda.so.1', 'CPU')


@pytest.mark.skipif(
    CUDA in onnxruntime.get_available_providers(), reason='with onnxruntime-gpu CUDA may start'
)
@pytest.mark.usefixtures('gpu_build')
@pytest.mark.filterwarnings('ignore:Specified provider')
def test_a_gpu_that_does_not_start_gives_way_to_the_cpu(caplog: pytest.LogCaptureFixture) -> None:
    # This build of ONNX Runtime has no CUDA in truth, so that the session comes up without it: as that of a
    # build for GPUs does where a library of CUDA is missing.
    folder = find_model()
    fallen, plain = (OnnxBackend.load(folder, word) for word in ('cuda:1', 'cpu'))
    assert fallen.provider == CPU and fallen.runner == 'ONNX Runtime on CPU'
    assert told(caplog, CUDA, 'CPU', "pip install 'onnxruntime-gpu[cuda,cudnn]'") == 1, 'not for every graph'
    request = window_request(plain.config, 2, 6)
    sampling = SamplingConfig(steps=2)
    np.testing.assert_array_equal(fallen.sample(request, sampling), plain.sample(request, sampling))


def test_a_provider_that_raises_gives_way_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, tried = onnxruntime.InferenceSession, []

    def session(path: str, given: object, providers: list[tuple[str, dict[str, str]]], **rest: int) -> object:
        tried.append([name for name, _ in providers])
        if providers[0][0] != CPU:
            raise RuntimeError('/src/a.cc:1 void f(int) CUDA failure 100: no device is detected ; GPU=-1')
        return real(path, given, providers=providers, **rest)

    monkeypatch.setattr(onnxruntime, 'InferenceSession', session)
    choice = [(TENSORRT, {}), (CUDA, {}), (CPU, {})]
    path = find_model() / 'audio.onnx'
    opened, started = open_session(path, onnxruntime.SessionOptions(), choice)
    assert opened.get_providers() == [CPU] and started == [(CPU, {})]
    assert tried == [[TENSORRT, CUDA, CPU], [CUDA, CPU], [CPU]]
    assert told(caplog, TENSORRT, 'CUDA failure 100: no device is detected', CUDA)
    assert told(caplog, CUDA, 'CUDA failure 100: no device is detected', 'CPU')


def test_a_damaged_graph_is_named(tmp_path: Path) -> None:
    path = tmp_path / 'audio.onnx'
    path.write_bytes(b'nonsense')
    with pytest.raises(ModelError, match='audio.onnx cannot be loaded .*export it again'):
        open_session(path, onnxruntime.SessionOptions(), [(CPU, {})])


def test_reasons_are_without_places_in_sources() -> None:
    assert provider_reason(RuntimeError('plain (really) said\nmore')) == 'plain (really) said'
    told = '/x/pybind.cc:729 void a::Register(Options&, const b::C&) Please install TensorRT'
    assert provider_reason(RuntimeError(told)) == 'Please install TensorRT'


def test_another_word() -> None:
    with pytest.raises(ConfigError, match='potato'):
        names('potato')


@pytest.mark.usefixtures('gpu_build')
def test_options() -> None:
    assert options('cuda')[CUDA]['use_tf32'] == '0' and 'device_id' not in options('cuda')[CUDA]
    assert options('cuda:1')[CUDA]['device_id'] == options('tensorrt:1')[TENSORRT]['device_id'] == '1'
    half = options('tensorrt/float16')
    assert (half[TENSORRT]['trt_fp16_enable'], half[TENSORRT]['trt_bf16_enable']) == ('1', '0')
    assert half[CPU] == {}
    with pytest.raises(ConfigError, match="'cuda/bfloat16': .* 'tensorrt/bfloat16' only"):
        options('cuda/bfloat16')
