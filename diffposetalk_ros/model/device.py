# SPDX-License-Identifier: Apache-2.0
"""The word that chooses hardware and arithmetic: DEVICE or DEVICE/PRECISION, as in 'cuda/bfloat16'."""

from __future__ import annotations

from dataclasses import dataclass

from diffposetalk_ros.errors import ConfigError

__all__ = ['PRECISIONS', 'Device', 'parse_device']

PRECISIONS = ('float32', 'bfloat16', 'float16')


@dataclass(frozen=True)
class Device:
    """``name`` as the back end takes it; ``precision`` of the networks' weights and products."""

    name: str
    precision: str = 'float32'


def parse_device(word: str) -> Device:
    """Raises ConfigError for another precision."""
    name, slash, precision = word.partition('/')
    if slash and precision not in PRECISIONS:
        raise ConfigError(f'precision {precision!r} of device {word!r}; use {", ".join(PRECISIONS)}')
    return Device(name, precision or 'float32')
