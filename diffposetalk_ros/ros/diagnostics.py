# SPDX-License-Identifier: Apache-2.0
"""What /diagnostics says about audio, inference, playout and model.

Built without diagnostic_updater, which is not everywhere; the messages are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ['ERROR', 'OK', 'STALE', 'WARN', 'Status', 'percentiles', 'to_message']

OK, WARN, ERROR, STALE = 0, 1, 2, 3


@dataclass(frozen=True)
class Status:
    """One diagnostic status; ``values`` carry their unit in the key."""

    name: str
    level: int
    message: str
    values: Mapping[str, object] = field(default_factory=dict)


def percentiles(samples: Sequence[float]) -> tuple[float, float, float]:
    """(p50, p95, p99) by nearest rank; zeros when there is no sample."""
    if not samples:
        return 0.0, 0.0, 0.0
    ordered = sorted(samples)
    last = len(ordered) - 1
    p50, p95, p99 = (ordered[round(last * q)] for q in (0.50, 0.95, 0.99))
    return p50, p95, p99


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
