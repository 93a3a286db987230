# SPDX-License-Identifier: Apache-2.0
"""Uniform cubic B-spline between the knots of the nonverbal signals: velocity and acceleration are continuous.

A knot lasts `FRAMES_PER_KNOT` frames. Knot k stands for the moment between its two frames, 2 k + 1/2.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ['FRAMES_PER_KNOT', 'frames_of_knot', 'knots_of']

FRAMES_PER_KNOT: Final = 2


def _basis(u: float) -> NDArray[np.float64]:
    """Weights of four consecutive knots ``u`` (0 to 1) after the second of them."""
    return np.array([(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3]) / 6


_WEIGHTS: Final = np.zeros((2, 5))
_WEIGHTS[0, :4], _WEIGHTS[1, 1:] = _basis(0.75), _basis(0.25)


def frames_of_knot(knots: NDArray[np.float32]) -> NDArray[np.float32]:
    """The two frames (2, n) of knot k from knots k - 2 to k + 2 (5, n)."""
    return (_WEIGHTS @ knots).astype(np.float32)


def knots_of(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Knots (F // 2, n) whose spline lies nearest to the frames (F, n), least squares; F is even."""
    # Only training needs SciPy, which takes half a second to load. The node must not wait for it.
    from scipy.interpolate import BSpline
    from scipy.linalg import solveh_banded

    count = len(frames) // FRAMES_PER_KNOT
    places = np.arange(2 * count) / 2 - 0.25
    grid = np.arange(-3, count + 4, dtype=np.float64) - 1.0
    design = BSpline.design_matrix(np.clip(places, 0, count - 1), grid[: count + 6], 3, extrapolate=True)
    normal = (design.T @ design).toarray()
    # A little stiffness keeps the ends, which few frames constrain, from oscillating.
    curvature = np.diff(np.eye(normal.shape[0]), 2, axis=0)
    normal += 1e-3 * curvature.T @ curvature
    bands = np.zeros((4, normal.shape[0]))
    for k in range(4):
        bands[3 - k, k:] = np.diag(normal, k)
    solution = solveh_banded(bands, design.T @ frames[: 2 * count].astype(np.float64))
    return np.asarray(solution[2 : count + 2], np.float32)
