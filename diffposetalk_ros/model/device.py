# SPDX-License-Identifier: Apache-2.0
"""Device specification KIND[:INDEX][/PRECISION], for example 'cuda:1/bfloat16'."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from diffposetalk_ros.errors import ConfigError

__all__ = ['PRECISIONS', 'Device', 'has_nvidia_driver', 'parse_device']

PRECISIONS = ('float32', 'bfloat16', 'float16')


@dataclass(frozen=True)
class Device:
    """Hardware and precision of the networks.

    ``kind`` is the back end's name of the hardware ('cpu', 'cuda', 'tensorrt', 'auto'), ``index`` the number
    of the GPU.
    """

    kind: str
    index: int = 0
    precision: str = 'float32'

    @property
    def name(self) -> str:
        """Name without precision, in the form that torch takes: 'cuda', 'cuda:1'."""
        return f'{self.kind}:{self.index}' if self.index else self.kind

    @property
    def spec(self) -> str:
        """Specification that `parse_device` reads."""
        return self.name if self.precision == 'float32' else f'{self.name}/{self.precision}'


def parse_device(spec: str) -> Device:
    """Read a specification. Raises ConfigError for an index that is not a number, or an unknown precision."""
    name, slash, precision = spec.partition('/')
    if slash and precision not in PRECISIONS:
        raise ConfigError(f'precision {precision!r} of device {spec!r}; use {", ".join(PRECISIONS)}')
    kind, colon, index = name.partition(':')
    if colon and not (index.isascii() and index.isdigit()):
        raise ConfigError(
            f"device {spec!r}: {index!r} is not the number of a GPU; use 'cuda:0', 'cuda:1', ..."
        )
    return Device(kind, int(index or 0), precision or 'float32')


def has_nvidia_driver() -> bool:
    """Whether a driver for NVIDIA GPUs is installed. It may still find no GPU."""
    try:
        ctypes.CDLL('libcuda.so.1')
    except OSError:
        return False
    return True
