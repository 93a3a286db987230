# SPDX-License-Identifier: Apache-2.0
"""How the main function of a node ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import rclpy
from rclpy.executors import ExternalShutdownException

__all__ = ['until_shutdown']


@contextmanager
def until_shutdown() -> Iterator[None]:
    """Spin inside: Ctrl-C and SIGTERM leave the block quietly.

    rclpy's signal handler takes the context away at once, also from a callback that is about to publish:
    what that raises is the end too, and no error.
    """
    try:
        yield
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        if rclpy.ok():
            raise
