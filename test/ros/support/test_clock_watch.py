# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from typing import Any

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402

from diffposetalk_ros.ros.support.clock_watch import NO_CLOCK, ClockWatch, clock_is_missing  # noqa: E402


class _Logger:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, text: str) -> None:
        self.lines.append(text)

    info = warning


def test_simulated_time_that_nobody_tells_is_told_within_3_s(monkeypatch: pytest.MonkeyPatch) -> None:
    context = rclpy.Context()
    rclpy.init(context=context)
    executor = SingleThreadedExecutor(context=context)
    logs: dict[bool, _Logger] = {}
    nodes: list[Any] = []
    try:
        for simulated in (True, False):
            overrides = [Parameter('use_sim_time', value=simulated)]
            node = rclpy.create_node(
                f'watched_{int(simulated)}', context=context, parameter_overrides=overrides
            )
            logs[simulated] = _Logger()
            monkeypatch.setattr(node, 'get_logger', lambda logger=logs[simulated]: logger)
            ClockWatch(node)
            nodes.append(node)
            executor.add_node(node)
        begin = time.monotonic()
        while not logs[True].lines and time.monotonic() - begin < 30:
            executor.spin_once(timeout_sec=0.1)
        assert logs[True].lines == [NO_CLOCK] and clock_is_missing(nodes[0])
        clock = nodes[1].create_publisher(Clock, '/clock', 10)
        message = Clock()
        message.clock.sec = 5
        while len(logs[True].lines) < 2 and time.monotonic() - begin < 60:
            clock.publish(message)
            executor.spin_once(timeout_sec=0.1)
        assert logs[True].lines[1:] == ['/clock has arrived'] and not clock_is_missing(nodes[0])
        assert not logs[False].lines
    finally:
        executor.shutdown()
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown(context=context)
