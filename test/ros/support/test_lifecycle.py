# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip('rclpy', reason='rclpy is not importable')

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.ros.support.lifecycle import logged_transition

SUCCESS, FAILURE, ERROR = (
    TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE, TransitionCallbackReturn.ERROR,
)  # fmt: skip
STATE = LifecycleState('inactive', 2)


class Node:
    """Transitions that raise what they are told, and a log."""

    def __init__(self, trouble: Exception | None) -> None:
        self.trouble, self.lines, self.rolled_back = trouble, list[str](), list[str]()

    def get_logger(self) -> Any:
        node = self

        class Logger:
            info = error = staticmethod(node.lines.append)

        return Logger

    def rollback(self, transition: str) -> None:
        self.rolled_back.append(transition)

    @logged_transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        if self.trouble:
            raise self.trouble
        return SUCCESS

    @logged_transition
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        if self.trouble:
            raise self.trouble
        return SUCCESS


def test_success_is_logged_with_its_time() -> None:
    node = Node(None)
    assert node.on_activate(STATE) == node.on_cleanup(STATE) == SUCCESS
    assert not node.rolled_back
    assert [line.split(' in ')[0] for line in node.lines] == ['activate done', 'cleanup done']


def test_a_mistake_of_the_user_keeps_the_state_before() -> None:
    node = Node(ConfigError('rate is 0; use 10 to 1000'))
    assert node.on_activate(STATE) == FAILURE
    assert node.rolled_back == ['activate']
    assert node.lines == ['activate failed: rate is 0; use 10 to 1000']


def test_a_node_that_fails_to_stop_goes_through_on_error() -> None:
    node = Node(ConfigError('the file is full'))
    assert node.on_cleanup(STATE) == ERROR
    assert not node.rolled_back


def test_what_nobody_expected_is_told_with_its_place() -> None:
    node = Node(RuntimeError('boom'))
    assert node.on_activate(STATE) == ERROR
    assert 'activate failed unexpectedly' in node.lines[0] and 'in on_activate' in node.lines[0]
