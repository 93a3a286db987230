# SPDX-License-Identifier: Apache-2.0
"""Which hardware ONNX Runtime uses, by one word."""

from __future__ import annotations

import logging

from diffposetalk_ros.errors import ConfigError

__all__ = ['providers']

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
