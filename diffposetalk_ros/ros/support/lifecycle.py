# SPDX-License-Identifier: Apache-2.0
"""Common parts of the lifecycle nodes.

They log each transition, roll back one that fails, and answer requests for transitions that are not possible."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from copy import copy
from functools import wraps
from typing import Any, Protocol, TypeVar

from lifecycle_msgs.srv import ChangeState
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from diffposetalk_ros.errors import DiffPoseTalkError
from diffposetalk_ros.ros.messages import qos
from diffposetalk_ros.ros.support.patient_group import PatientGroup
from diffposetalk_ros.util.free_memory import return_freed_memory

__all__ = ['ManagedNode', 'logged_transition']


class _Recoverable(Protocol):
    def get_logger(self) -> Any: ...

    def rollback(self, transition: str) -> None:
        """Return to the state before `configure` or `activate`, which stopped half-way."""


_Node = TypeVar('_Node', bound=_Recoverable)
_Transition = Callable[[_Node, LifecycleState], TransitionCallbackReturn]


def logged_transition(transition: _Transition[_Node]) -> _Transition[_Node]:
    """Log a transition and its exceptions, which rclpy itself would swallow silently.

    A user error makes `configure` or `activate` fail and keeps the state. Any other error leads through `on_error`
    to unconfigured, so that a node that failed to stop is no longer active.
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
            self.rollback(name)
            return TransitionCallbackReturn.FAILURE
        except Exception:
            self.get_logger().error(f'{name} failed unexpectedly:\n{traceback.format_exc()}')
            return TransitionCallbackReturn.ERROR
        self.get_logger().info(f'{name} done in {time.monotonic() - begin:.2f} s')
        return result

    return run


class ManagedNode(LifecycleNode):  # type: ignore[misc,unused-ignore]
    """A lifecycle node that releases all of its resources, whatever fails.

    `on_configure` pushes its clean-up on ``_configured``, `on_activate` on ``_activated``. Both stacks are
    unwound in reverse order. A request for a transition that the state does not have is answered with
    ``success: false`` on every release of rclpy.
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        self._group = PatientGroup()
        super().__init__(name, **kwargs)
        self._configured, self._activated = ExitStack(), ExitStack()
        self._active = False
        for service in self.services:
            if service.srv_type is ChangeState:
                service.callback = self._refuse_unknown_transitions(service.callback)

    @property
    def default_callback_group(self) -> PatientGroup:
        """The group of everything the node does, so that no two of its callbacks run at a time."""
        return self._group

    def autostart(self) -> None:
        """Configure and activate, as far as that succeeds, like a lifecycle manager."""
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    @logged_transition
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Undo `on_activate`."""
        self._stop()
        return TransitionCallbackReturn.SUCCESS

    @logged_transition
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Undo `on_configure`."""
        self._release()
        return_freed_memory()
        return TransitionCallbackReturn.SUCCESS

    @logged_transition
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """From any state: stop and release."""
        try:
            self._stop()
        finally:
            self._release()
        return TransitionCallbackReturn.SUCCESS

    @logged_transition
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything; the node can be configured again."""
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def close(self) -> None:
        """Stop and release without a transition, whatever fails. Idempotent."""
        for undo in (self._stop, self._release):
            try:
                undo()
            except Exception:
                self.get_logger().error(f'not released:\n{traceback.format_exc()}')

    def rollback(self, transition: str) -> None:
        """Return to the state before `configure` or `activate`, which stopped half-way."""
        self._stop()
        if transition == 'configure':
            self._release()

    def _stop(self) -> None:
        self._active = False
        self._activated.close()

    def _release(self) -> None:
        self._configured.close()

    def _publish(self, kind: Any, topic: str, profile: Any) -> Any:
        """Publish until cleanup."""
        # A copy, because rclpy writes parameter overrides into the given profile.
        publisher = self.create_lifecycle_publisher(
            kind, topic, copy(profile), qos_overriding_options=qos.overridable()
        )
        self._configured.callback(self.destroy_lifecycle_publisher, publisher)
        return publisher

    def _open_publishers(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let the publishers publish until deactivation; returns the result for `on_activate`."""
        self._activated.callback(LifecycleNode.on_deactivate, self, state)
        return LifecycleNode.on_activate(self, state)

    def _subscribe(
        self, kind: Any, topic: str, callback: Callable[[Any], None], profile: Any, undo: ExitStack
    ) -> str:
        """Subscribe until ``undo`` is closed; returns the full name of the topic after remapping."""
        made = self.create_subscription(
            kind, topic, callback, copy(profile), qos_overriding_options=qos.overridable()
        )
        undo.callback(self.destroy_subscription, made)
        name: str = made.topic_name
        return name

    def _refuse_unknown_transitions(
        self, change_state: Callable[[Any, Any], Any]
    ) -> Callable[[Any, Any], Any]:
        def answer(request: Any, response: Any) -> Any:
            # Before Kilted, rclpy lets the error leave the callback, which ends the node (ros2/rclpy #1209).
            try:
                return change_state(request, response)
            except rclpy_implementation.RCLError as error:
                wanted = request.transition.label or request.transition.id
                self.get_logger().error(
                    f'transition {wanted} is refused: {str(error).split(", at ")[0]}; '
                    '~/get_available_transitions lists the possible ones'
                )
                response.success = False
                return response

        return answer
