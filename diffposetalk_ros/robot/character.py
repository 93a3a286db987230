# SPDX-License-Identifier: Apache-2.0
"""Motion for another face of the same space: mirrored, or with a character's multipliers and offsets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.layout import MotionLayout
from diffposetalk_ros.util.yaml_lines import read_entries

__all__ = ['Character', 'load_character', 'mirror']

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Character:
    """value * multiplier + offset for each column (D,), kept within the layout's range."""

    layout: MotionLayout
    multiplier: Floats
    offset: Floats

    def apply(self, rows: ArrayLike) -> Floats:
        """Motion (..., D) for this character."""
        lower = np.array([channel.lower for channel in self.layout.channels])
        upper = np.array([channel.upper for channel in self.layout.channels])
        return np.asarray(np.clip(np.asarray(rows) * self.multiplier + self.offset, lower, upper))


def load_character(path: str | Path, layout: MotionLayout) -> Character:
    """Read `channels: {jawOpen: {multiplier: 1.2, offset: 0.05}, ...}`; unnamed channels stay as they are.

    Raises ConfigError with file, line and valid names.
    """
    root = read_entries(Path(path))
    root.keys(('format', 'character', 'channels'))
    if root.get('format').value != 1:
        root.get('format').fail('format must be 1')
    multiplier, offset = np.ones(layout.width), np.zeros(layout.width)
    for name, entry in root.get('channels').mapping().items():
        try:
            column = layout.index(name)
        except ConfigError as error:
            entry.fail(str(error))
        entry.keys(('multiplier', 'offset'))
        factor, shift = entry.find('multiplier'), entry.find('offset')
        multiplier[column] = 1.0 if factor is None else factor.number(-10.0, 10.0)
        offset[column] = 0.0 if shift is None else shift.number(-10.0, 10.0)
    return Character(layout, multiplier, offset)


@lru_cache(maxsize=8)
def _mirror_plan(names: tuple[str, ...]) -> tuple[NDArray[np.intp], Floats]:
    order, signs = np.arange(len(names)), np.ones(len(names))
    for column, name in enumerate(names):
        for side, other in (('Left', 'Right'), ('Right', 'Left')):
            if name.endswith(side):
                order[column] = names.index(name.removesuffix(side) + other)
        # A turn about the left-right axis looks the same in a mirror, the other two are reversed.
        if name in ('headRotationY', 'headRotationZ'):
            signs[column] = -1.0
    return order, signs


def mirror(rows: ArrayLike, layout: MotionLayout) -> Floats:
    """Mirrored ARKit motion (..., D): left and right exchanged, yaw and roll reversed.

    Raises ConfigError for FLAME motion: its coefficients have no left and right.
    """
    if layout.space != 'arkit':
        raise ConfigError(f'only ARKit motion can be mirrored, not {layout.space}')
    order, signs = _mirror_plan(layout.names)
    return np.asarray(np.asarray(rows, np.float64)[..., order] * signs)
