# SPDX-License-Identifier: Apache-2.0
"""Percentiles over the newest measurements."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np

from diffposetalk_ros.errors import ConfigError

__all__ = ['LatencySummary', 'LatencyTracker']


@dataclass(frozen=True)
class LatencySummary:
    """Percentiles in seconds over ``count`` measurements. All are NaN if there are none."""

    count: int
    p50: float
    p95: float
    p99: float
    largest: float


class LatencyTracker:
    """Keeps the newest ``window`` measurements in seconds and reports on these alone. Thread-safe.

    Raises ConfigError for a window below 1.
    """

    def __init__(self, window: int = 1000) -> None:
        if window < 1:
            raise ConfigError(f'latency window of {window} measurements; use 1 or more')
        self._values: deque[float] = deque(maxlen=window)
        self._lock = threading.Lock()
        self._total = 0

    @property
    def total(self) -> int:
        """Number of measurements ever added."""
        with self._lock:
            return self._total

    def add(self, seconds: float) -> None:
        """Add one measurement."""
        with self._lock:
            self._values.append(seconds)
            self._total += 1

    def reset(self) -> None:
        """Forget all measurements."""
        with self._lock:
            self._values.clear()
            self._total = 0

    def summary(self) -> LatencySummary:
        """Percentiles of the window."""
        with self._lock:
            values = np.sort(self._values)
        if not len(values):
            return LatencySummary(0, *[float('nan')] * 4)
        # numpy.percentile takes ten times as long, which a publishing thread would have to wait for.
        place = np.array([0.5, 0.95, 0.99]) * (len(values) - 1)
        p50, p95, p99 = np.interp(place, np.arange(len(values)), values).tolist()
        return LatencySummary(len(values), p50, p95, p99, float(values[-1]))
