# SPDX-License-Identifier: Apache-2.0
"""Execution providers of ONNX Runtime for a device, and a session on the best one that starts."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diffposetalk_ros.errors import ConfigError, ModelError
from diffposetalk_ros.model.device import Device, has_nvidia_driver
from diffposetalk_ros.util.user_folders import cache_folder

__all__ = ['CPU', 'Provider', 'open_session', 'provider_reason', 'providers']

_log = logging.getLogger(__name__)

Provider = tuple[str, dict[str, str]]
"""Name of an execution provider and its options."""

CPU, _CUDA, _TENSORRT = 'CPUExecutionProvider', 'CUDAExecutionProvider', 'TensorrtExecutionProvider'
_WANTED = {'auto': [_CUDA], 'cpu': [], 'cuda': [_CUDA], 'tensorrt': [_TENSORRT, _CUDA]}
_LIBRARIES = {_CUDA: "pip install 'onnxruntime-gpu[cuda,cudnn]'", _TENSORRT: 'pip install tensorrt'}


def providers(device: Device) -> list[Provider]:
    """Execution providers for 'auto', 'cpu', 'cuda' or 'tensorrt', best first; the CPU always last.

    Providers that this machine or this build of ONNX Runtime lacks are left out. If one of them was requested, a
    warning tells what to install. Raises ConfigError for another name, or an unsupported precision.
    """
    import onnxruntime

    if device.kind not in _WANTED:
        raise ConfigError(f"device {device.name!r}; use 'auto', 'cpu', 'cuda' or 'tensorrt'")
    wanted, have = _WANTED[device.kind], onnxruntime.get_available_providers()
    chosen = [name for name in wanted if name in have]
    missing = ''
    if wanted and not has_nvidia_driver():
        chosen, missing = [], 'no NVIDIA driver (libcuda.so.1) is installed'
    elif len(chosen) < len(wanted):
        missing = (
            f'this build of ONNX Runtime has no {" and no ".join(name for name in wanted if name not in have)}; '
            'for an NVIDIA GPU install onnxruntime-gpu in place of onnxruntime'
        )
    if missing and device.kind != 'auto':
        _log.warning('device %r: %s; %s is used', device.name, missing, chosen[0] if chosen else 'the CPU')
    options = [(name, _options(name, device)) for name in (*chosen, CPU)]
    if chosen:
        _load_libraries(_TENSORRT in chosen)
    return options


def open_session(path: Path, options: Any, choice: Sequence[Provider]) -> tuple[Any, list[Provider]]:
    """Session of a graph, and the providers of ``choice`` that started. The others need not be tried again.

    A warning names a provider that did not start. Raises ModelError if not even the CPU runs the graph.
    """
    import onnxruntime

    left = list(choice)
    while True:
        reason = 'its libraries do not load'
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=left, enable_fallback=0)
        except Exception as error:  # ONNX Runtime raises its own exception classes
            reason = provider_reason(error)
            if len(left) == 1:
                raise ModelError(f'{path} cannot be loaded ({reason}); export it again') from error
        else:
            started = session.get_providers()
            if left[0][0] in started:
                return session, [provider for provider in left if provider[0] in started]
        failed, *left = left
        _log.warning(
            '%s did not start (%s), %s is used; what it needs besides a GPU: %s',
            failed[0], reason, 'the CPU' if left[0][0] == CPU else left[0][0], _LIBRARIES[failed[0]],
        )  # fmt: skip


def provider_reason(error: Exception) -> str:
    """Message of ONNX Runtime in one line, without references to its source files."""
    line = str(error).splitlines()[0]
    failure = re.search(r'CUDA failure \d+: [^;]+', line)
    return failure[0].strip() if failure else re.sub(r'^/\S+:\d+ (.*?\) )?', '', line)


def _options(name: str, device: Device) -> dict[str, str]:
    """Options of one execution provider.

    Graphs and weights are float32; only TensorRT turns them into half precision by itself. It keeps its
    engines, which take minutes to build, in the cache folder.
    """
    which = {'device_id': str(device.index)} if device.index else {}
    if name == _TENSORRT:
        return {
            **which,
            'trt_fp16_enable': str(int(device.precision == 'float16')),
            'trt_bf16_enable': str(int(device.precision == 'bfloat16')),
            'trt_engine_cache_enable': '1',
            'trt_engine_cache_path': str(cache_folder()),
            'trt_timing_cache_enable': '1',
        }
    if device.precision != 'float32' and device.kind != 'tensorrt':
        raise ConfigError(
            f'device {device.spec!r}: ONNX Runtime runs these graphs in half precision with '
            f"'tensorrt/{device.precision}' only; or take the torch back end"
        )
    if name == _CUDA:
        return {
            **which,
            # TF32 would round the products to 10 bits. An exhaustive search would try kernels during the first word.
            'use_tf32': '0',
            'cudnn_conv_algo_search': 'HEURISTIC',
            'do_copy_in_default_stream': '1',
        }
    return {}


def _load_libraries(tensorrt: bool) -> None:
    """Load the CUDA and TensorRT libraries that pip installed, because the linker does not search their folders."""
    import onnxruntime

    if hasattr(onnxruntime, 'preload_dlls'):  # since 1.21
        onnxruntime.preload_dlls()
    if tensorrt:
        with contextlib.suppress(ImportError, OSError):
            __import__('tensorrt')
