# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')

from rclpy import executors  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from diffposetalk_ros.ros.support.quiet_executor import QuietExecutor  # noqa: E402


@pytest.fixture
def node() -> Iterator[Any]:
    rclpy.init()
    made = rclpy.create_node('quiet')
    yield made
    made.destroy_node()
    rclpy.try_shutdown()


@pytest.mark.parametrize(('kind', 'turns'), [(QuietExecutor, 1), (SingleThreadedExecutor, 2)])
def test_a_callback_brings_no_turn_without_work(
    node: Any, kind: type, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []
    work = node.create_guard_condition(lambda: called.append(True))
    executor = kind()
    executor.add_node(node)
    executor.spin_once(timeout_sec=0.0)  # adding the node woke the executor
    work.trigger()
    executor.spin_once(timeout_sec=10.0)
    assert called == [True]
    made = []
    wait_set = executors._rclpy.WaitSet

    def counted(*arguments: Any) -> Any:
        made.append(arguments)
        return wait_set(*arguments)

    monkeypatch.setattr(executors._rclpy, 'WaitSet', counted)
    executor.spin_once(timeout_sec=0.1)
    assert len(made) == turns
    executor.shutdown()


def test_services_and_tasks_are_executed(node: Any) -> None:
    def answer(_: Any, response: Any) -> Any:
        response.success = True
        return response

    node.create_service(Trigger, 'ask', answer)
    client = node.create_client(Trigger, 'ask')
    executor = QuietExecutor()
    executor.add_node(node)
    assert client.wait_for_service(60.0)

    async def ask_twice() -> list[bool]:
        return [(await client.call_async(Trigger.Request())).success for _ in range(2)]

    task = executor.create_task(ask_twice)
    executor.spin_until_future_complete(task, 60.0)
    assert task.result() == [True, True]
    executor.shutdown()


def test_without_the_private_members_it_is_the_executor_of_rclpy(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = QuietExecutor()
    monkeypatch.setattr(SingleThreadedExecutor, '_make_handler', lambda self, *arguments: arguments)
    guard = executor._guard
    assert executor._make_handler('entity', 'node', 'take') == ('entity', 'node', 'take')
    assert executor._guard is guard
    del executor._guard
    assert executor._make_handler('entity') == ('entity',)
    executor._guard = guard
    executor.shutdown()
