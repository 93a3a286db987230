# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.streaming.latency import LatencyTracker


def test_percentiles_of_the_window():
    tracker = LatencyTracker(1000)
    for i in range(1, 101):
        tracker.add(i / 1000)
    summary = tracker.summary()
    assert summary.count == 100
    assert summary.p50 == pytest.approx(0.0505)
    assert summary.p95 == pytest.approx(0.09505)
    assert summary.p99 == pytest.approx(0.09901)
    assert summary.largest == 0.1


def test_an_old_outlier_is_forgotten_even_by_the_largest():
    tracker = LatencyTracker(10)
    tracker.add(9.0)
    for _ in range(10):
        tracker.add(0.01)
    assert tracker.summary().largest == 0.01
    assert tracker.total == 11


def test_without_measurements_nothing_is_claimed():
    tracker = LatencyTracker()
    tracker.add(1.0)
    tracker.reset()
    assert tracker.summary().count == 0
    assert math.isnan(tracker.summary().p99)
    with pytest.raises(ConfigError):
        LatencyTracker(0)
