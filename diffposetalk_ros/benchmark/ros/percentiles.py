# SPDX-License-Identifier: Apache-2.0
"""Percentiles of measured times."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ['percentiles']


def percentiles(samples: Sequence[float]) -> tuple[float, float, float]:
    """(p50, p95, p99) by nearest rank; zeros when there is no sample."""
    if not samples:
        return 0.0, 0.0, 0.0
    ordered = sorted(samples)
    last = len(ordered) - 1
    p50, p95, p99 = (ordered[round(last * q)] for q in (0.50, 0.95, 0.99))
    return p50, p95, p99
