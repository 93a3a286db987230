# SPDX-License-Identifier: Apache-2.0
"""Callback group of a node that gets many messages: the executor looks for everything else only now and then.

In each turn, rclpy's executors build a new wait set of everything that may be executed. Two turns per message, each
with dozens of services and events that come once an hour, cost more than what the messages are for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.subscription import Subscription
from rclpy.timer import Timer

__all__ = ['PatientGroup']

_LOOK = 0.005
"""Seconds for which a look lasts. What came since the last one is executed in the first turn of it."""


class PatientGroup(MutuallyExclusiveCallbackGroup):  # type: ignore[misc,unused-ignore]
    """Executes one callback at a time. Messages and timers are never kept waiting.

    ``patience``: how long (s) services, actions and events may wait until the executor looks for them. Nothing wakes
    the executor for them meanwhile, so a timer must. 0: they do not wait.
    ``clock`` returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.patience = 0.0
        self._clock = clock
        self._looked = 0.0
        self._urgent = WeakSet[Any]()

    def never_wait(self, entity: Any) -> None:
        """Look for ``entity`` in every turn, although it is a service or an event."""
        self._urgent.add(entity)

    def can_execute(self, entity: Any) -> bool:
        """Whether the executor looks for ``entity`` in this turn, and may execute it."""
        return bool(self._is_looked_for(entity) and super().can_execute(entity))

    def _is_looked_for(self, entity: Any) -> bool:
        if not self.patience or isinstance(entity, (Subscription, Timer)) or entity in self._urgent:
            return True
        since = self._clock() - self._looked
        if since >= self.patience:
            self._looked, since = self._looked + since, 0.0
        return since < _LOOK
