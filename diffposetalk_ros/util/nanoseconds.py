# SPDX-License-Identifier: Apache-2.0
"""Times are integers in nanoseconds, as in ROS, so sums are exact for any clock."""

from __future__ import annotations

__all__ = ['NS_PER_SECOND', 'to_nanoseconds']

NS_PER_SECOND = 1_000_000_000


def to_nanoseconds(seconds: float) -> int:
    """Seconds to the nearest nanosecond."""
    return round(seconds * NS_PER_SECOND)
