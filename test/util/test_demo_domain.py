# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys

import pytest

from diffposetalk_ros.util import demo_domain

PROGRAM = (
    "import rclpy; rclpy.init(); node = rclpy.create_node('somebody'); print('here', flush=True); input()"
)


def test_a_demo_does_not_take_the_domain_of_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('rclpy', reason='rclpy is not importable')
    taken = demo_domain.free_domain(range(70, 100))
    others = [number for number in range(70, 100) if number != taken and not demo_domain._in_use(number)]
    free = others[0]
    monkeypatch.setattr(demo_domain, '_PRIVATE', (taken, free))
    for name in ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE'):
        monkeypatch.setenv(name, '')  # which also brings back what it is now
    for automatic in ('LOCALHOST', 'SUBNET'):
        environment = os.environ | {'ROS_DOMAIN_ID': str(taken), 'ROS_AUTOMATIC_DISCOVERY_RANGE': automatic}
        with subprocess.Popen(
            [sys.executable, '-c', PROGRAM], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as somebody:
            assert somebody.stdout is not None and somebody.stdout.readline() == b'here\n'
            assert {demo_domain.use_private_domain() for _ in range(20)} == {free}
            somebody.communicate(b'\n', timeout=60)
    assert os.environ['ROS_DOMAIN_ID'] == str(free)


def test_where_every_domain_is_in_use_it_is_one_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_domain, '_in_use', lambda number: True)
    assert demo_domain.free_domain([3, 5]) in (3, 5)
