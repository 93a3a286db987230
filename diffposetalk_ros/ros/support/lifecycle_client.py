# SPDX-License-Identifier: Apache-2.0
"""Drive another node's lifecycle over its services (for tools; nodes never need it)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState

__all__ = ['LifecycleClient', 'call']


_AGAIN = 1.0
"""An answer that is not there by then may have been lost, s."""


def call(
    node: Any,
    executor: Any,
    client: Any,
    request: Any,
    timeout: float,
    look: Callable[[], None] = lambda: None,
    repeat: bool = False,
) -> Any:
    """Call a service and spin ``executor`` until it answers; TimeoutError after ``timeout`` s.

    ``look`` is called repeatedly meanwhile; an exception that it raises ends the wait. ``repeat``: send the request
    again every second, only for requests that change nothing. This is needed because a server may have discovered
    the client's request writer but not yet its response reader, so that the answer is lost.
    """
    deadline = time.monotonic() + timeout

    def wait(done: Callable[[], bool], what: str) -> None:
        while not done():
            look()
            executor.spin_once(timeout_sec=0.05)
            if time.monotonic() > deadline:
                raise TimeoutError(f'{client.srv_name} did not {what} within {timeout:g} s')

    wait(client.service_is_ready, 'appear')
    future, asked = client.call_async(request), time.monotonic()

    def answered() -> bool:
        nonlocal future, asked
        if repeat and not future.done() and time.monotonic() - asked > _AGAIN:
            client.remove_pending_request(future)
            future, asked = client.call_async(request), time.monotonic()
        return bool(future.done())

    wait(answered, 'answer')
    return future.result()


class LifecycleClient:
    """Transitions of the node ``target``; each waits for the answer. ``look``: see `call`."""

    def __init__(
        self, node: Any, executor: Any, target: str, look: Callable[[], None] = lambda: None
    ) -> None:
        self._node, self._executor, self._look = node, executor, look
        self._change = node.create_client(ChangeState, f'{target}/change_state')
        self._get = node.create_client(GetState, f'{target}/get_state')

    def state(self, timeout: float = 10.0) -> str:
        """Label of the current state."""
        request = GetState.Request()
        answer = call(self._node, self._executor, self._get, request, timeout, self._look, repeat=True)
        return str(answer.current_state.label)

    def configure(self, timeout: float = 60.0) -> bool:
        """Unconfigured -> inactive; False when the node refused."""
        return self._to(Transition.TRANSITION_CONFIGURE, timeout)

    def activate(self, timeout: float = 30.0) -> bool:
        """Inactive -> active."""
        return self._to(Transition.TRANSITION_ACTIVATE, timeout)

    def deactivate(self, timeout: float = 30.0) -> bool:
        """Active -> inactive."""
        return self._to(Transition.TRANSITION_DEACTIVATE, timeout)

    def cleanup(self, timeout: float = 30.0) -> bool:
        """Inactive -> unconfigured."""
        return self._to(Transition.TRANSITION_CLEANUP, timeout)

    def shutdown(self, timeout: float = 30.0) -> bool:
        """Any state -> finalized."""
        request = ChangeState.Request()
        request.transition.label = 'shutdown'  # each state has its own transition of that name
        return self._ask(request, timeout)

    def _to(self, transition: int, timeout: float) -> bool:
        request = ChangeState.Request()
        request.transition.id = transition
        return self._ask(request, timeout)

    def _ask(self, request: Any, timeout: float) -> bool:
        # A transition must not be requested twice. Once one answer has arrived, the next one will too, because its
        # response reader was announced before that of the state.
        self.state(timeout)
        return bool(call(self._node, self._executor, self._change, request, timeout, self._look).success)
