# SPDX-License-Identifier: Apache-2.0
"""Regions of the face: the channels of each region, and one number per region."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.layout import MotionLayout

__all__ = ['RegionValues', 'by_column', 'region_of']


@dataclass(frozen=True)
class RegionValues:
    """A number for each region of the face: a gain [1], a time [s]."""

    mouth: float = 1.0
    eyes: float = 1.0
    brows: float = 1.0
    cheeks: float = 1.0
    head: float = 1.0


def region_of(channel: str) -> str:
    """Field of `RegionValues` a channel belongs to; FLAME's expression counts as mouth."""
    for prefix, region in (
        ('head', 'head'),
        ('eye', 'eyes'),
        ('brow', 'brows'),
        ('cheek', 'cheeks'),
        ('nose', 'cheeks'),
    ):
        if channel.startswith(prefix):
            return region
    return 'mouth'


def by_column(values: RegionValues, layout: MotionLayout) -> NDArray[np.float64]:
    """Values of the regions for every column of the layout: (D,)."""
    return np.array([getattr(values, region_of(name)) for name in layout.names], np.float64)
