# SPDX-License-Identifier: Apache-2.0
"""Which hardware ONNX Runtime uses, by one word, and the options it is given."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.device import Device

__all__ = ['input_device', 'provider_options', 'providers']

_log = logging.getLogger(__name__)

_WANTED = {
    'auto': ['CUDAExecutionProvider'],
    'cpu': [],
    'cuda': ['CUDAExecutionProvider'],
    'tensorrt': ['TensorrtExecutionProvider', 'CUDAExecutionProvider'],
}


def providers(device: str) -> list[str]:
    """Execution providers for 'auto', 'cpu', 'cuda' or 'tensorrt', best first; the CPU always last.

    One that this build of ONNX Runtime lacks is left out; where somebody named it, a warning says so
    and what to install. Raises ConfigError for another word.
    """
    import onnxruntime

    if device not in _WANTED:
        raise ConfigError(f"device {device!r}; use 'auto', 'cpu', 'cuda' or 'tensorrt'")
    have = onnxruntime.get_available_providers()
    chosen = [name for name in _WANTED[device] if name in have]
    if device != 'auto' and len(chosen) < len(_WANTED[device]):
        _log.warning(
            'device %r: this build of ONNX Runtime has no %s, %s is used instead; for an NVIDIA GPU install '
            'onnxruntime-gpu in place of onnxruntime',
            device,
            ' and no '.join(name for name in _WANTED[device] if name not in have),
            chosen[0] if chosen else 'the CPU',
        )
    return [*chosen, 'CPUExecutionProvider']


def provider_options(name: str, device: Device) -> dict[str, str]:
    """Options of one execution provider.

    Graphs and weights are float32; only TensorRT turns them into half precision by itself. It keeps its
    engines, which take minutes to build, in ~/.cache/diffposetalk_ros. Raises ConfigError for half precision
    elsewhere.
    """
    if name == 'TensorrtExecutionProvider':
        cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'diffposetalk_ros'
        return {
            'trt_fp16_enable': str(int(device.precision == 'float16')),
            'trt_bf16_enable': str(int(device.precision == 'bfloat16')),
            'trt_engine_cache_enable': '1',
            'trt_engine_cache_path': str(cache),
            'trt_timing_cache_enable': '1',
        }
    if device.precision != 'float32' and device.name != 'tensorrt':
        raise ConfigError(
            f"device '{device.name}/{device.precision}': ONNX Runtime runs these graphs in half precision with "
            f"'tensorrt/{device.precision}' only; or take the torch back end"
        )
    if name == 'CUDAExecutionProvider':
        # TF32 would round the products to 10 bits; exhaustive search would try kernels in the first word.
        return {'use_tf32': '0', 'cudnn_conv_algo_search': 'HEURISTIC', 'do_copy_in_default_stream': '1'}
    return {}


def input_device(provider: str) -> str:
    """Where inputs of a session with this first provider lie: 'cuda' or 'cpu'."""
    return 'cpu' if provider == 'CPUExecutionProvider' else 'cuda'
