# SPDX-License-Identifier: Apache-2.0
"""What a page asks of a node that does not answer ends in a word, and the page can ask again."""

from __future__ import annotations

import time
from typing import Any

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('diffposetalk_ros.msg', reason='the messages are not built')

from diffposetalk_ros.srv import ListStyles  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from diffposetalk_ros.errors import ConfigError  # noqa: E402
from diffposetalk_ros.ros.viewer import avatar_client as viewer_commands  # noqa: E402
from diffposetalk_ros.ros.viewer.avatar_client import AvatarClient, checked_number  # noqa: E402


def test_a_node_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer_commands, '_PATIENCE', 0.5)
    context = rclpy.Context()
    rclpy.init(context=context)
    deaf, page = (rclpy.create_node(name, context=context) for name in ('avatar', 'page'))
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(page)  # the other one never spins
    for kind, name in ((Trigger, 'interrupt'), (ListStyles, 'list_styles')):
        deaf.create_service(kind, f'avatar/{name}', lambda request, response: response)
    client = AvatarClient(page, 'avatar', lambda kind, values: None)

    def wait(done: Any, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end
            executor.spin_once(timeout_sec=0.05)

    try:
        wait(lambda: client._interrupt.service_is_ready() and client._list.service_is_ready())
        for ask in (client.interrupt, client.refresh):
            task = executor.create_task(ask)
            with pytest.raises(ConfigError, match=r'gave no answer within 0\.5 s'):
                wait(task.done)
        # Whoever answers later is heard.
        monkeypatch.setattr(viewer_commands, '_PATIENCE', 60.0)
        executor.add_node(deaf)
        task = executor.create_task(client.interrupt)
        wait(task.done)
        assert task.exception() is None
        assert not list(page.timers)
    finally:
        executor.shutdown()
        deaf.destroy_node()
        page.destroy_node()
        rclpy.try_shutdown(context=context)


@pytest.mark.parametrize('value', ['x', None, [], 10**400, float('nan'), float('inf')])
def test_what_is_no_number_is_refused_in_a_line(value: object) -> None:
    with pytest.raises(ConfigError, match='is not a number') as refused:
        checked_number(value)
    assert len(str(refused.value)) < 60
