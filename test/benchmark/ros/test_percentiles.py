# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from diffposetalk_ros.benchmark.ros.percentiles import percentiles


def test_percentiles_by_nearest_rank() -> None:
    assert percentiles([]) == (0.0, 0.0, 0.0)
    assert percentiles([3.0]) == (3.0, 3.0, 3.0)
    assert percentiles(list(range(101))) == (50, 95, 99)
