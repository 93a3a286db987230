# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402

from diffposetalk_ros.errors import ModelError  # noqa: E402
from diffposetalk_ros.ros.support.clock_watch import NO_CLOCK, ClockWatch, clock_is_missing  # noqa: E402
from diffposetalk_ros.tracking.model_file import find_face_model  # noqa: E402

ROOT = Path(__file__).parents[3]


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


@pytest.mark.parametrize(
    ('module', 'name', 'needs', 'parameters'),
    [
        ('avatar_node', 'diffposetalk', ('audio_common_msgs',), ['sampler.steps:=1']),
        ('joint_command_node', 'joint_command', ('ruckig',), []),
        ('face_tracker_node', 'face_tracker', ('mediapipe',), []),
        ('viewer_node', 'viewer', ('aiohttp', 'audio_common_msgs'), ['port:=0']),
    ],
)
def test_nodes_with_diagnostics_tell_there_too_that_simulated_time_is_missing(
    module: str, name: str, needs: tuple[str, ...], parameters: list[str]
) -> None:
    for need in needs:
        pytest.importorskip(need)
    if name == 'face_tracker':
        try:
            find_face_model()
        except ModelError as error:
            pytest.skip(str(error))
    command = [sys.executable, '-m', f'diffposetalk_ros.ros.nodes.{module}', '--autostart', '--ros-args']
    for parameter in ('use_sim_time:=true', *parameters):
        command += ['-p', parameter]
    context = rclpy.Context()
    rclpy.init(context=context)
    listener = rclpy.create_node('listener', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(listener)
    told: list[str] = []

    def on_diagnostics(message: DiagnosticArray) -> None:
        told.extend(status.message for status in message.status if status.name == f'{name}: clock')

    listener.create_subscription(DiagnosticArray, '/diagnostics', on_diagnostics, 10)
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        end = time.monotonic() + 120
        while not told and process.poll() is None and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.1)
        assert told[:1] == [NO_CLOCK]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        executor.shutdown()
        listener.destroy_node()
        rclpy.try_shutdown(context=context)
