# SPDX-License-Identifier: Apache-2.0
"""What the transitions of the lifecycle nodes share: a line in the log, and a way back when one fails."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, TypeVar

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from diffposetalk_ros.errors import DiffPoseTalkError

__all__ = ['logged']


class _Recoverable(Protocol):
    def get_logger(self) -> Any: ...

    def take_back(self, transition: str) -> None:
        """`configure` or `activate` stopped half-way: the state before it."""


_Node = TypeVar('_Node', bound=_Recoverable)
_Transition = Callable[[_Node, LifecycleState], TransitionCallbackReturn]


def logged(transition: _Transition[_Node]) -> _Transition[_Node]:
    """Log a transition and what it raises: rclpy itself would swallow an exception silently.

    What a person can mend keeps `configure` and `activate` from happening. Anything else that goes wrong
    leads through `on_error` to unconfigured: a node that failed to stop is not active any more.
    """
    name = transition.__name__.removeprefix('on_')

    @wraps(transition)
    def run(self: _Node, state: LifecycleState) -> TransitionCallbackReturn:
        begin = time.monotonic()
        try:
            result = transition(self, state)
        except DiffPoseTalkError as error:
            self.get_logger().error(f'{name} failed: {error}')
            if name not in ('configure', 'activate'):
                return TransitionCallbackReturn.ERROR
            self.take_back(name)
            return TransitionCallbackReturn.FAILURE
        except Exception:
            self.get_logger().error(f'{name} failed unexpectedly:\n{traceback.format_exc()}')
            return TransitionCallbackReturn.ERROR
        self.get_logger().info(f'{name} done in {time.monotonic() - begin:.2f} s')
        return result

    return run
