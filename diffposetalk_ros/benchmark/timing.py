# SPDX-License-Identifier: Apache-2.0
"""Repeated measurement of the wall time of a function."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ['Timing', 'timed']


@dataclass(frozen=True)
class Timing:
    """Milliseconds. ``cpu`` is processor time of the whole process per call, which other programs
    on the machine disturb less than wall time."""

    count: int
    best: float
    p50: float
    p95: float
    cpu: float


def timed(function: Callable[[], object], seconds: float, warm_up: int = 2, least: int = 3) -> Timing:
    """Call ``function`` for about ``seconds`` after ``warm_up`` calls, at least ``least`` times."""
    for _ in range(warm_up):
        function()
    walls: list[float] = []
    start, cpu = time.perf_counter(), time.process_time()
    while len(walls) < least or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        function()
        walls.append(time.perf_counter() - begin)
    used = (time.process_time() - cpu) / len(walls)
    p50, p95 = (1e3 * float(v) for v in np.percentile(walls, [50, 95]))
    return Timing(len(walls), 1e3 * min(walls), p50, p95, 1e3 * used)
