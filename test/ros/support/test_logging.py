# SPDX-License-Identifier: Apache-2.0
"""What the parts without ROS have to say is heard on /rosout, with its severity."""

from __future__ import annotations

import logging
import time

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')
from rcl_interfaces.msg import Log  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402

from diffposetalk_ros.ros.support.logging import library_log  # noqa: E402

PACKAGE = logging.getLogger('diffposetalk_ros')


def test_records_reach_rosout_and_nothing_stays_behind(caplog: pytest.LogCaptureFixture) -> None:
    context = rclpy.Context()
    context.init()
    node = rclpy.create_node('speaks', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    heard: list[tuple[bytes | int, str]] = []

    def hear(log: Log) -> None:
        if log.name == 'speaks':  # nodes of other tests may have their last word
            heard.append((log.level, log.msg))

    node.create_subscription(Log, '/rosout', hear, 10)
    try:
        until = time.monotonic() + 60
        while node.count_publishers('/rosout') < 1 and time.monotonic() < until:
            executor.spin_once(timeout_sec=0.05)
        with library_log(node.get_logger()):
            while len(heard) < 2 and time.monotonic() < until:  # a reader that is not there yet hears nothing
                PACKAGE.getChild('model').warning('%s did not start', 'CUDA')
                PACKAGE.getChild('audio').error('100 % gone')
                executor.spin_once(timeout_sec=0.05)
    finally:
        executor.shutdown()
        node.destroy_node()
        context.shutdown()
    levels = {
        text: int.from_bytes(level, 'little') if isinstance(level, bytes) else level for level, text in heard
    }
    warn, error = (int.from_bytes(x, 'little') if isinstance(x, bytes) else x for x in (Log.WARN, Log.ERROR))
    assert levels == {'CUDA did not start': warn, '100 % gone': error}
    assert not PACKAGE.handlers and PACKAGE.propagate
    caplog.clear()
    PACKAGE.warning('as before')
    assert caplog.messages == ['as before']
