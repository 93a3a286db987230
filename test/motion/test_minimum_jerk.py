# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.motion.minimum_jerk import minimum_jerk


def test_it_leads_from_rest_to_rest():
    t = np.linspace(0, 1, 10001)
    way = minimum_jerk(t)
    assert (way[0], way[5000], way[-1]) == (0, pytest.approx(0.5), 1)
    speed = np.gradient(way, t)
    acceleration = np.gradient(speed, t)
    assert np.abs(speed[[0, -1]]).max() < 1e-6 and np.abs(acceleration[[0, -1]]).max() < 0.02
    assert speed.max() == pytest.approx(15 / 8, rel=1e-6)  # in the middle; known of the curve
    assert (np.diff(way) >= 0).all()


@pytest.mark.parametrize('kind', [np.float32, np.float64])
def test_it_stays_at_its_ends(kind):
    way = minimum_jerk(np.array([-np.inf, -3, 0, 1, 2, np.inf], kind))
    np.testing.assert_array_equal(way, [0, 0, 0, 1, 1, 1])
    assert way.dtype == kind
