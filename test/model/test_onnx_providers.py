# SPDX-License-Identifier: Apache-2.0
"""One word chooses the hardware; what is not there is named."""

import onnxruntime
import pytest

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.device import Device
from diffposetalk_ros.model.onnx_providers import input_device, provider_options, providers

CUDA, TENSORRT, CPU = 'CUDAExecutionProvider', 'TensorrtExecutionProvider', 'CPUExecutionProvider'


def test_the_cpu_is_always_there() -> None:
    assert providers('cpu') == [CPU]
    assert providers('auto')[-1] == CPU


def test_all_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [TENSORRT, CUDA, CPU])
    assert providers('tensorrt') == [TENSORRT, CUDA, CPU]
    assert providers('cuda') == providers('auto') == [CUDA, CPU]


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [CPU])
    assert providers('auto') == [CPU] and not caplog.messages
    assert providers('cuda') == [CPU]
    assert 'has no CUDAExecutionProvider, the CPU is used' in caplog.text
    assert 'onnxruntime-gpu' in caplog.text
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [CUDA, CPU])
    assert providers('tensorrt') == [CUDA, CPU]
    assert f'has no {TENSORRT}, {CUDA} is used' in caplog.text


def test_another_word() -> None:
    with pytest.raises(ConfigError, match='potato'):
        providers('potato')


def test_options() -> None:
    plain, half = Device('cuda'), Device('tensorrt', 'float16')
    assert provider_options(CPU, plain) == {}
    assert provider_options(CUDA, plain)['use_tf32'] == '0'
    options = provider_options(TENSORRT, half)
    assert (options['trt_fp16_enable'], options['trt_bf16_enable']) == ('1', '0')
    assert provider_options(CPU, half) == {}
    with pytest.raises(ConfigError, match="'tensorrt/bfloat16' only"):
        provider_options(CUDA, Device('cuda', 'bfloat16'))
    assert input_device(CPU) == 'cpu' and input_device(TENSORRT) == 'cuda'
