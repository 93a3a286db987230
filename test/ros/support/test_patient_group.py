# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')

from std_msgs.msg import Empty  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from diffposetalk_ros.ros.support.patient_group import PatientGroup  # noqa: E402


class Parts:
    """One entity of each kind in a patient group with the clock ``now`` (s)."""

    def __init__(self) -> None:
        self.now = 100.0
        self.group = PatientGroup(lambda: self.now)
        self.node = rclpy.create_node('patient')
        self.service = self.node.create_service(Trigger, 'ask', self._answer, callback_group=self.group)
        self.timer = self.node.create_timer(1.0, lambda: None, callback_group=self.group)
        self.subscription = self.node.create_subscription(
            Empty, 'heard', lambda message: None, 1, callback_group=self.group
        )
        self.event = self.subscription.event_handlers[0]

    def looked_for(self, now: float) -> list[Any]:
        self.now = now
        return [
            each
            for each in (self.service, self.event, self.timer, self.subscription)
            if self.group.can_execute(each)
        ]

    @staticmethod
    def _answer(request: Any, response: Any) -> Any:
        response.success = True
        return response


@pytest.fixture
def parts() -> Iterator[Parts]:
    rclpy.init()
    made = Parts()
    yield made
    made.node.destroy_node()
    rclpy.shutdown()


def test_nothing_waits_without_patience(parts: Parts) -> None:
    for now in (100.0, 100.05, 100.07):
        assert parts.looked_for(now) == [parts.service, parts.event, parts.timer, parts.subscription]


def test_services_and_events_are_looked_for_once_in_a_while(parts: Parts) -> None:
    parts.group.patience = 0.1
    everything = [parts.service, parts.event, parts.timer, parts.subscription]
    at_once = [parts.timer, parts.subscription]
    moments = (100.0, 100.004, 100.006, 100.099, 100.11, 100.114, 100.116, 100.2, 100.211)
    seen = {now: parts.looked_for(now) for now in moments}
    assert [now for now in moments if seen[now] == everything] == [100.0, 100.004, 100.11, 100.114, 100.211]
    assert all(found in (everything, at_once) for found in seen.values())


def test_an_urgent_service_does_not_wait(parts: Parts) -> None:
    parts.group.patience = 0.1
    parts.group.never_wait(parts.service)
    assert parts.event in parts.looked_for(100.0)
    assert parts.looked_for(100.05) == [parts.service, parts.timer, parts.subscription]


def test_one_callback_at_a_time(parts: Parts) -> None:
    assert parts.group.beginning_execution(parts.timer)
    assert not parts.looked_for(100.0)
    parts.group.ending_execution(parts.timer)
    assert parts.looked_for(100.0)


def test_a_request_that_came_meanwhile_is_answered_at_the_next_look(parts: Parts) -> None:
    parts.group.patience = 0.1
    executor = rclpy.executors.SingleThreadedExecutor()
    executor.add_node(parts.node)
    client = parts.node.create_client(Trigger, 'ask')
    assert client.wait_for_service(60.0)
    parts.looked_for(100.0)
    parts.now = 100.05
    future = client.call_async(Trigger.Request())
    for _ in range(20):
        executor.spin_once(timeout_sec=0.01)
    assert not future.done()
    parts.now = 100.11
    executor.spin_until_future_complete(future, 60.0)
    assert future.result().success
    executor.shutdown()
