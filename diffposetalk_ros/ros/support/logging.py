# SPDX-License-Identifier: Apache-2.0
"""Forwards log records of the code without ROS to the node's log: the terminal, the log file and /rosout."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.impl.rcutils_logger import RcutilsLogger

__all__ = ['library_log']

_PACKAGE = 'diffposetalk_ros'


@contextmanager
def library_log(logger: RcutilsLogger) -> Iterator[None]:
    """Records of Python's logger ``diffposetalk_ros`` go to ``logger`` (`Node.get_logger`) inside the block."""
    package, handler = logging.getLogger(_PACKAGE), _ToRos(logger)
    before = package.propagate
    package.addHandler(handler)
    package.propagate = False
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.propagate = before


class _ToRos(logging.Handler):
    def __init__(self, logger: RcutilsLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record; rclpy allows only one severity per call site."""
        text = record.getMessage()
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)
