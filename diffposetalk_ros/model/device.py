# SPDX-License-Identifier: Apache-2.0
"""The word that chooses hardware and arithmetic: KIND[:INDEX][/PRECISION], as in 'cuda:1/bfloat16'."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from diffposetalk_ros.errors import ConfigError

__all__ = ['PRECISIONS', 'Device', 'has_nvidia_driver', 'parse_device']

PRECISIONS = ('float32', 'bfloat16', 'float16')


@dataclass(frozen=True)
class Device:
    """``kind`` of hardware as a back end names it, which one of them, precision of the networks."""

    kind: str
    index: int = 0
    precision: str = 'float32'

    @property
    def name(self) -> str:
        """Without the precision, as torch takes it: 'cuda', 'cuda:1'."""
        return f'{self.kind}:{self.index}' if self.index else self.kind

    @property
    def word(self) -> str:
        """What `parse_device` reads."""
        return self.name if self.precision == 'float32' else f'{self.name}/{self.precision}'


def parse_device(word: str) -> Device:
    """Raises ConfigError for an index that is no number, or another precision."""
    name, slash, precision = word.partition('/')
    if slash and precision not in PRECISIONS:
        raise ConfigError(f'precision {precision!r} of device {word!r}; use {", ".join(PRECISIONS)}')
    kind, colon, index = name.partition(':')
    if colon and not (index.isascii() and index.isdigit()):
        raise ConfigError(f"device {word!r}: {index!r} is no number of a GPU; use 'cuda:0', 'cuda:1', ...")
    return Device(kind, int(index or 0), precision or 'float32')


def has_nvidia_driver() -> bool:
    """Whether a driver for NVIDIA GPUs is installed; it need not find one."""
    try:
        ctypes.CDLL('libcuda.so.1')
    except OSError:
        return False
    return True
