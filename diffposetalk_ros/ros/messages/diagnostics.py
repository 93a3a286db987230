# SPDX-License-Identifier: Apache-2.0
"""Diagnostic statuses as diagnostic_msgs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from diffposetalk_ros.avatar.status import Status

__all__ = ['to_message']


def to_message(statuses: Sequence[Status], stamp: Any, node_name: str) -> Any:
    """diagnostic_msgs/DiagnosticArray of all statuses, named '<node>: <status>'."""
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

    message = DiagnosticArray()
    message.header.stamp = stamp
    message.status = [
        DiagnosticStatus(
            level=bytes([status.level]),
            name=f'{node_name}: {status.name}',
            message=status.message,
            hardware_id=node_name,
            values=[KeyValue(key=key, value=_text(value)) for key, value in status.values.items()],
        )
        for status in statuses
    ]
    return message


def _text(value: object) -> str:
    return f'{value:.4g}' if isinstance(value, float) else str(value)
