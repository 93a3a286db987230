# SPDX-License-Identifier: Apache-2.0
"""Noise of a whole clip: drawn from a seed, or given by the caller to reproduce another program's output."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ['ClipNoise', 'SeededNoise']

Floats = NDArray[np.float32]


class ClipNoise(Protocol):
    """Standard normal noise of a clip, window by window. Windows count from 0.

    Every array is float32 of shape (frames, D), D the width of the model's motion. `Generator` multiplies
    it by the standard deviation that the sampling settings ask for.
    """

    def initial(self, window: int, frames: int) -> Floats:
        """x_T of a window, the start of its reverse process."""
        ...

    def step(self, window: int, t: int, frames: int) -> Floats:
        """Fresh noise z of the ancestral step that leaves diffusion step ``t``."""
        ...


class SeededNoise:
    """Noise from a seed as the reference draws it: every window starts from the same x_T.

    ``longest`` is the length of a full window in frames, ``width`` the width D of the motion.
    ``start`` (longest, D) replaces the x_T that the seed would give.
    """

    def __init__(self, seed: int, longest: int, width: int, start: Floats | None = None) -> None:
        self._rng = np.random.default_rng(seed)
        drawn = self._rng.standard_normal((longest, width), np.float32)
        self._start = drawn if start is None else start

    def initial(self, window: int, frames: int) -> Floats:
        """See `ClipNoise`."""
        return self._start[:frames]

    def step(self, window: int, t: int, frames: int) -> Floats:
        """See `ClipNoise`; consecutive calls draw consecutive numbers."""
        return self._rng.standard_normal((frames, self._start.shape[1]), np.float32)
