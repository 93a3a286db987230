# SPDX-License-Identifier: Apache-2.0
"""`diffposetalk calibrate-joints` with a robot that listens: slow, within limits, written as answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('ruckig', reason='ruckig is not installed')

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from diffposetalk_ros.cli.main import main  # noqa: E402
from diffposetalk_ros.robot.joint_map_file import load_joint_map  # noqa: E402
from diffposetalk_ros.ros.support import trajectory_sender  # noqa: E402

ROOT = Path(__file__).parents[3]
EXAMPLE = load_joint_map(ROOT / 'config' / 'joint_map.yaml')
JAW = EXAMPLE.names.index('jaw')
ASLEEP = EXAMPLE.expand(EXAMPLE.rest + 0.3 * (EXAMPLE.upper - EXAMPLE.rest))


class Robot:
    """Listens to trajectories; where it stands it tells only if asked to."""

    def __init__(self, tells: bool) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('robot', context=self.context)
        self.heard: list[Any] = []
        self.node.create_subscription(JointTrajectory, 'joint_trajectory', self.heard.append, 10)
        if tells:
            self.states = self.node.create_publisher(JointState, 'joint_states', 1)
            self.node.create_timer(0.05, self.tell)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self.executor.spin, daemon=True)
        self.thread.start()

    def tell(self) -> None:
        self.states.publish(JointState(name=list(EXAMPLE.names), position=ASLEEP.tolist()))

    def all_of(self, count: int) -> list[Any]:
        """What was heard: so much, and no more."""
        deadline = time.monotonic() + 60
        while len(self.heard) < count:
            assert time.monotonic() < deadline, len(self.heard)
            time.sleep(0.02)
        assert len(self.heard) == count
        return self.heard

    def close(self) -> None:
        self.executor.shutdown()
        self.thread.join(60)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def robot(request: pytest.FixtureRequest) -> Iterator[Robot]:
    made = Robot(request.param)
    yield made
    made.close()


@pytest.mark.parametrize('robot', [True], indirect=True)
def test_slowly_within_limits_and_as_answered(
    robot: Robot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(['0.5', 'many', ''])
    monkeypatch.setattr('builtins.input', lambda _: next(answers))
    monkeypatch.setattr(trajectory_sender, '_LISTEN', 60.0)  # a busy machine discovers late
    out = tmp_path / 'mine.yaml'
    words = ['--map', str(ROOT / 'config' / 'joint_map.yaml'), '-o', str(out), '--channels', 'jawOpen']
    assert main(['calibrate-joints', *words, '--seconds', '1']) == 0
    text = capsys.readouterr().out
    assert 'moving the robot slowly to rest' in text and "'many' is not a number" in text
    assert load_joint_map(out).joints[JAW].sources[0].gain == pytest.approx(0.2)
    approach, *sweeps = robot.all_of(4)
    rest = EXAMPLE.expand(EXAMPLE.rest)
    last = approach.points[-1]
    np.testing.assert_allclose(last.positions, rest, atol=1e-9)
    assert last.time_from_start.sec == 3 and not any(last.velocities)
    np.testing.assert_allclose(approach.points[0].positions, ASLEEP, atol=1e-4)
    speed = np.array([joint.speed for joint in EXAMPLE.joints])
    lower, upper = np.array([joint.limits for joint in EXAMPLE.joints]).T
    for message in robot.heard:
        assert list(message.joint_names) == list(EXAMPLE.names)
        assert message.header.stamp.sec == message.header.stamp.nanosec == 0
        path = np.array([point.positions for point in message.points])
        assert (path >= lower - 1e-9).all() and (path <= upper + 1e-9).all()
        assert (np.abs(np.diff(path, axis=0)) / 0.02 <= 0.3 * speed).all()
        np.testing.assert_allclose(path[-1], rest, atol=1e-3)
    full, half, again = (max(p.positions[JAW] for p in message.points) for message in sweeps)
    assert full == pytest.approx(0.38, abs=0.01) and half == again == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize('robot', [False], indirect=True)
def test_a_robot_that_does_not_tell_where_it_is_gets_three_seconds(
    robot: Robot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('builtins.input', lambda _: 'q')
    out = tmp_path / 'mine.yaml'
    words = ['--map', str(ROOT / 'config' / 'joint_map.yaml'), '-o', str(out), '--seconds', '1']
    assert main(['calibrate-joints', *words]) == 0
    assert load_joint_map(out).joints == EXAMPLE.joints
    approach, _ = robot.all_of(2)
    assert [point.time_from_start.sec for point in approach.points] == [3]
    np.testing.assert_allclose(approach.points[0].positions, EXAMPLE.expand(EXAMPLE.rest), atol=1e-9)


@pytest.mark.parametrize('robot', [True], indirect=True)
def test_answers_are_written_where_the_input_ends(
    robot: Robot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(['0.5'])

    def answer(_: str) -> str:
        for given in answers:
            return given
        raise EOFError  # Ctrl-D, or a pipe that ended

    monkeypatch.setattr('builtins.input', answer)
    out = tmp_path / 'mine.yaml'
    words = ['--map', str(ROOT / 'config' / 'joint_map.yaml'), '-o', str(out), '--channels', 'jawOpen']
    assert main(['calibrate-joints', *words, '--seconds', '1']) == 0
    assert load_joint_map(out).joints[JAW].sources[0].gain == pytest.approx(0.2)


@pytest.mark.parametrize('name', ['none/mine.yaml', 'mine.txt'])
def test_a_map_that_cannot_be_written_is_refused_before_the_robot_moves(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr('diffposetalk_ros.cli.live.calibrate_joints._robot', pytest.fail)
    words = ['--map', str(ROOT / 'config' / 'joint_map.yaml'), '-o', str(tmp_path / name)]
    assert main(['calibrate-joints', *words]) == 1
    assert name in capsys.readouterr().err


def test_what_ros_cannot_use_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv('ROS_DOMAIN_ID', 'many')
    words = ['--map', str(ROOT / 'config' / 'joint_map.yaml'), '-o', str(tmp_path / 'mine.yaml')]
    assert main(['calibrate-joints', *words]) == 1
    assert 'ROS_DOMAIN_ID is not an integral number' in capsys.readouterr().err
