# SPDX-License-Identifier: Apache-2.0
"""An avatar that is killed while it talks and started again, as ``respawn:=true`` does: what the robot sees."""

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
from std_msgs.msg import Float64MultiArray  # noqa: E402

from diffposetalk_ros.robot.joint_map_file import load_joint_map  # noqa: E402
from diffposetalk_ros.ros.support.private_node import private_node  # noqa: E402
from diffposetalk_ros.util.resources import demo_clip  # noqa: E402

ROOT = Path(__file__).parents[2]
EMBEDDED = ROOT / 'models' / 'embedded'
MAP = load_joint_map(ROOT / 'config' / 'joint_map.yaml')
JAW = MAP.names.index('jaw')
REST = MAP.expand(MAP.rest)
PATIENCE = 90.0  # s; a busy machine speaks late


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


def test_killed_while_it_talks_and_started_again(tmp_path: Path) -> None:
    avatar_words = ('--autostart', '--ros-args', '-p', f'model.path:={EMBEDDED}')
    with ExitStack() as stack:
        log = stack.enter_context((tmp_path / 'log').open('w+b'))
        node, executor = stack.enter_context(private_node('respawn_watcher'))
        frames: list[tuple[float, int]] = []
        commands: list[tuple[float, np.ndarray]] = []
        node.create_subscription(
            FaceMotion, 'face_motion', lambda m: frames.append((time.monotonic(), m.state)), 50
        )
        node.create_subscription(
            Float64MultiArray,
            'commands',
            lambda m: commands.append((time.monotonic(), np.array(m.data))),
            200,
        )

        def until(condition: Callable[[], object], what: str) -> float:
            deadline = time.monotonic() + PATIENCE
            while not condition():
                assert time.monotonic() < deadline, f'{what}: {(tmp_path / "log").read_text()}'
                executor.spin_once(timeout_sec=0.05)
            return time.monotonic()

        start(stack, log, 'audio_player_node', '--ros-args', '-p', f'file:={demo_clip()}', '-p', 'loop:=true')
        start(stack, log, 'joint_command_node', '--autostart', '--ros-args', '-p', 'output:=forward')
        first = start(stack, log, 'avatar_node', *avatar_words)
        until(lambda: frames and frames[-1][1] == FaceMotion.SPEAKING, 'nobody speaks')
        until(lambda: commands and commands[-1][1][JAW] > REST[JAW] + 0.03, 'the robot does not talk')

        first.kill()
        killed = time.monotonic()
        first.wait()
        executor.spin_once(timeout_sec=0.0)
        frames.clear()
        start(stack, log, 'avatar_node', *avatar_words)
        rested = until(lambda: np.allclose(commands[-1][1], REST, atol=1e-3), 'the joints do not go to rest')
        shown = until(lambda: frames and frames[-1][0] > rested, 'no frame comes')
        spoke = until(lambda: frames[-1][1] == FaceMotion.SPEAKING, 'nobody speaks again')
        moved = until(lambda: commands[-1][1][JAW] > REST[JAW] + 0.03, 'the robot does not talk again')
        print(
            f'after kill -9: joints at rest {rested - killed:.2f} s, first frame {shown - killed:.2f} s, '
            f'speaks {spoke - killed:.2f} s, jaw open {moved - killed:.2f} s'
        )

    sent = np.array([position for _, position in commands])
    low, high = np.array([joint.limits for joint in MAP.joints]).T
    assert (sent >= low - 1e-9).all() and (sent <= high + 1e-9).all()
    # 50 commands a second: none is farther from the one before than the joint may turn meanwhile.
    speed = np.array([joint.speed for joint in MAP.joints])
    assert (np.abs(np.diff(sent, axis=0)) <= speed / 50 * (1 + 1e-6) + 1e-9).all()


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
