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
    # Padded by hand, because SciPy 1.15 returns zeros for a filter longer than the array.
    wanted = percentile_filter(np.pad(lid, size, mode='edge'), 20, size=size)[size:-size]
    np.testing.assert_array_equal(_open_lid(lid, size), wanted)
