# SPDX-License-Identifier: Apache-2.0
"""The open lid is SciPy's running percentile."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import percentile_filter

from diffposetalk_ros.nonverbal.eye_measures import _open_lid


@pytest.mark.parametrize('frames', [1, 40, 700])
@pytest.mark.parametrize('size', [101, 121, 241])
def test_open_lid_is_the_running_percentile(frames: int, size: int) -> None:
    lid = np.random.default_rng(frames).random(frames)
    np.testing.assert_array_equal(_open_lid(lid, size), percentile_filter(lid, 20, size=size, mode='nearest'))
