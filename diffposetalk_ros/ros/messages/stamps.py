# SPDX-License-Identifier: Apache-2.0
"""Nanoseconds to the Time and Duration messages, and back."""

from __future__ import annotations

from typing import Any

from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['duration_message', 'nanoseconds_of', 'stamp_of', 'time_message']


def nanoseconds_of(message: Any) -> int:
    """A Time or Duration message in ns."""
    return int(message.sec) * NS_PER_SECOND + int(message.nanosec)


def stamp_of(message: Any) -> int:
    """The stamp in the header of a message, ns."""
    return nanoseconds_of(message.header.stamp)


def time_message(nanoseconds: int) -> Any:
    """Time message of a moment in ns."""
    from builtin_interfaces.msg import Time

    return Time(sec=nanoseconds // NS_PER_SECOND, nanosec=nanoseconds % NS_PER_SECOND)


def duration_message(nanoseconds: int) -> Any:
    """Duration message of a span in ns, which may be negative."""
    from builtin_interfaces.msg import Duration

    return Duration(sec=nanoseconds // NS_PER_SECOND, nanosec=nanoseconds % NS_PER_SECOND)
