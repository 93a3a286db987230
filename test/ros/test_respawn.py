# SPDX-License-Identifier: Apache-2.0
"""An avatar that stands still or is killed while it talks, and is started again: what the robot is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')
pytest.importorskip('ruckig', reason='ruckig is not installed')

from diffposetalk_ros.msg import FaceMotion  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402

from diffposetalk_ros.robot.joint_map_file import load_joint_map  # noqa: E402
from diffposetalk_ros.ros.support.private_node import private_node  # noqa: E402
from diffposetalk_ros.util.resources import demo_clip  # noqa: E402

ROOT = Path(__file__).parents[2]
EMBEDDED = ROOT / 'models' / 'embedded'
MAP = load_joint_map(ROOT / 'config' / 'joint_map.yaml')
JAW = MAP.names.index('jaw')
REST = MAP.expand(MAP.rest)
PATIENCE = 180.0  # s; a busy machine speaks late


def start(stack: ExitStack, log: Any, node: str, *words: str) -> subprocess.Popen[bytes]:
    """A node in a process of its own, which ends with ``stack``."""
    command = [sys.executable, '-m', f'diffposetalk_ros.ros.nodes.{node}', *words]
    environment = os.environ | {'PYTHONPATH': f'{ROOT}{os.pathsep}{os.environ.get("PYTHONPATH", "")}'}
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def end() -> None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise

    stack.callback(end)
    return process


class Commands:
    """Positions of one output, and when each was published: the sender's middleware says it."""

    def __init__(self, node: Any, kind: type, topic: str, field: str) -> None:
        self.times: list[int] = []
        self.positions: list[np.ndarray] = []
        self._field = field
        node.create_subscription(kind, topic, self._on_message, 1000)

    def _on_message(self, message: Any, info: Any) -> None:
        self.times.append(info['source_timestamp'])
        self.positions.append(np.array(getattr(message, self._field)))

    def at_rest(self) -> bool:
        return bool(self.positions) and np.allclose(self.positions[-1], REST, atol=1e-3)

    def talks(self) -> bool:
        return bool(self.positions) and self.positions[-1][JAW] > REST[JAW] + 0.03

    def assert_within_caps(self) -> None:
        sent, passed = np.array(self.positions), np.diff(self.times)[:, None] * 1e-9
        low, high = np.array([joint.limits for joint in MAP.joints]).T
        assert (sent >= low - 1e-9).all() and (sent <= high + 1e-9).all()
        cap = np.array([joint.speed for joint in MAP.joints])
        moved = np.diff(sent, axis=0)
        assert (np.abs(moved) <= cap / 50 * (1 + 1e-6) + 1e-9).all(), 'one command is one period'
        speed = moved / passed
        change = np.diff(speed, axis=0) / ((passed[1:] + passed[:-1]) / 2)
        share = np.abs(speed).max(axis=0) / cap
        most = np.abs(change).max(axis=0) / np.array([joint.acceleration for joint in MAP.joints])
        print(f'of the caps: speed {share.max():.2f}, acceleration {most.max():.2f}')
        assert share.max() <= 1 + 1e-6
        assert most.max() <= 1.2, 'that the next command would be late is not known when one is sent'


def test_stalled_and_killed_while_it_talks_and_started_again(tmp_path: Path) -> None:
    avatar_words = ('--autostart', '--ros-args', '-p', f'model.path:={EMBEDDED}', '-p', 'sampler.steps:=1')
    with ExitStack() as stack:
        log = stack.enter_context((tmp_path / 'log').open('w+b'))
        node, executor = stack.enter_context(private_node('respawn_watcher'))
        frames: list[tuple[float, int]] = []
        node.create_subscription(
            FaceMotion, 'face_motion', lambda m: frames.append((time.monotonic(), m.state)), 50
        )
        outputs = [
            Commands(node, Float64MultiArray, 'commands', 'data'),
            Commands(node, JointState, 'joint_command', 'position'),
        ]

        def until(condition: Callable[[], object], what: str) -> float:
            deadline = time.monotonic() + PATIENCE
            while not condition():
                assert time.monotonic() < deadline, f'{what}: {(tmp_path / "log").read_text()}'
                executor.spin_once(timeout_sec=0.05)
            return time.monotonic()

        def stall(seconds: float, *processes: subprocess.Popen[bytes]) -> None:
            for process in processes:
                process.send_signal(signal.SIGSTOP)
            try:
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    executor.spin_once(timeout_sec=0.05)
            finally:
                for process in processes:
                    process.send_signal(signal.SIGCONT)

        def both_talk() -> float:
            frames.clear()
            until(lambda: frames and frames[-1][1] == FaceMotion.SPEAKING, 'nobody speaks')
            return until(lambda: all(output.talks() for output in outputs), 'the robots do not talk')

        start(stack, log, 'audio_player_node', '--ros-args', '-p', f'file:={demo_clip()}', '-p', 'loop:=true')
        robots = [
            start(
                stack,
                log,
                'joint_command_node',
                *('--autostart', '--ros-args', '-p', f'output:={name}', '-r', f'__node:={name}_robot'),
            )
            for name in ('forward', 'joint_state')
        ]
        first = start(stack, log, 'avatar_node', *avatar_words)
        both_talk()
        for seconds in (0.3, 3.0):
            stall(seconds, first)
            both_talk()
        for seconds in (0.05, 0.3):
            stall(seconds, *robots)
            both_talk()
        stall(0.5, first, *robots)
        both_talk()

        first.kill()
        killed = time.monotonic()
        first.wait()
        executor.spin_once(timeout_sec=0.0)
        frames.clear()
        start(stack, log, 'avatar_node', *avatar_words)
        rested = until(lambda: all(output.at_rest() for output in outputs), 'the joints do not go to rest')
        shown = until(lambda: frames and frames[-1][0] > rested, 'no frame comes')
        moved = both_talk()
        print(
            f'after kill -9: joints at rest {rested - killed:.2f} s, first frame {shown - killed:.2f} s, '
            f'jaw open {moved - killed:.2f} s'
        )
    for output in outputs:
        output.assert_within_caps()


def test_the_node_loads_nothing_that_takes_long() -> None:
    """What is imported when a node starts is time without a face when it is started again."""
    slow = ('scipy', 'torch', 'matplotlib', 'av', 'aiohttp', 'mujoco')
    program = (
        f'import diffposetalk_ros.ros.nodes.avatar_node, sys; print([m for m in {slow} if m in sys.modules])'
    )
    done = subprocess.run(
        [sys.executable, '-c', program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == '[]'
