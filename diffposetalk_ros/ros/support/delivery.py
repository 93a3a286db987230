# SPDX-License-Identifier: Apache-2.0
"""Delivery at the end of a publishing program: its last messages must arrive before the writer is destroyed."""

from __future__ import annotations

from typing import Any

import rclpy
from rclpy.duration import Duration

__all__ = ['wait_until_received']

_PATIENCE = 60.0
_SLICE = 0.5


def wait_until_received(node: Any, publisher: Any, patience: float = _PATIENCE) -> bool:
    """Wait until all subscribers have confirmed all messages of a reliable publisher.

    A burst of ten minutes of sound takes the middleware seconds, and more on a busy machine. Messages that are not
    confirmed after ``patience`` seconds may be lost, which is logged. Ctrl-C ends the wait.
    """
    for _ in range(max(1, round(patience / _SLICE))):
        if not rclpy.ok(context=node.context):
            return False
        if publisher.wait_for_all_acked(Duration(seconds=_SLICE)):
            return True
    node.get_logger().warning(
        f'{publisher.topic_name}: subscribers have not confirmed all messages within {patience:g} s; '
        'the last of them may be lost'
    )
    return False
