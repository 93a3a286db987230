# SPDX-License-Identifier: Apache-2.0
"""Interpolation of trajectories: exact for the polynomials each kind can hold."""

from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.robot.trajectory import Trajectory


@pytest.mark.parametrize(('derivatives', 'degree'), [(0, 1), (1, 3), (2, 5)])
def test_polynomials_of_the_kind_are_exact(derivatives: int, degree: int) -> None:
    time = np.array([0.0, 0.3, 0.5])
    curve = np.polynomial.Polynomial(np.random.default_rng(0).normal(size=degree + 1))
    empty = np.zeros((0, 1))
    parts = [curve.deriv(k)(time)[:, None] if k <= derivatives else empty for k in range(3)]
    trajectory = Trajectory(time, *parts)
    for moment in (0.0, 0.1, 0.3, 0.45):
        np.testing.assert_allclose(trajectory.at(moment), [curve(moment)], atol=1e-9)
    assert trajectory.at(9.0) == parts[0][-1]
    assert trajectory.at(-1.0) == parts[0][0]
