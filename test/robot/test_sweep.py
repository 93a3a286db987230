# SPDX-License-Identifier: Apache-2.0
"""Calibration sweeps, the dry run as a user types it, launch and controller files."""

from __future__ import annotations

import io
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip('ruckig')

from diffposetalk_ros.cli.live import calibrate_joints  # noqa: E402
from diffposetalk_ros.cli.main import main  # noqa: E402
from diffposetalk_ros.robot.joint_map_file import load_joint_map  # noqa: E402
from diffposetalk_ros.robot.sweep import scale_channel, sweep  # noqa: E402

ROOT = Path(__file__).parents[2]
EXAMPLE = load_joint_map(ROOT / 'config' / 'joint_map.yaml')


def test_a_sweep_goes_out_and_back_slowly() -> None:
    motion = sweep(EXAMPLE, 'jawOpen')
    jaw = motion.positions[:, EXAMPLE.names.index('jaw')]
    assert jaw.max() > 0.35 and jaw[0] < 0.01 and jaw[-1] < 0.01
    assert np.abs(np.diff(jaw)).max() / 0.02 < 1.0
    assert [name for name, _, _ in motion.moving(EXAMPLE)] == ['jaw']
    less = sweep(scale_channel(EXAMPLE, 'jawOpen', 0.5), 'jawOpen')
    assert less.positions.max() == pytest.approx(0.2, abs=0.01)


def test_a_dry_run_prints_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / 'mine.yaml'
    arguments = ['--map', str(ROOT / 'config' / 'joint_map.yaml'), '-o', str(out), '--dry-run']
    assert main(['calibrate-joints', *arguments, '--channels', 'jawOpen', 'browInnerUp']) == 0
    assert 'jawOpen: jaw 0.000 to' in capsys.readouterr().out
    assert not out.exists()
    assert main(['calibrate-joints', *arguments, '--channels', 'cheekPuff']) == 1
    assert 'moves no joint' in capsys.readouterr().err


class Robot:
    def __init__(self) -> None:
        self.sent = 0

    def send(self, positions: np.ndarray) -> None:
        self.sent += 1


@pytest.mark.parametrize('answers', ['\n0.5\n\nq\n', '\n0.5\n\n'])
def test_the_answers_are_written_also_if_they_end(
    answers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot = Robot()
    monkeypatch.setattr(calibrate_joints, '_robot', lambda joint_map: nullcontext(robot))
    monkeypatch.setattr('sys.stdin', io.StringIO(answers))
    example, out = ROOT / 'config' / 'joint_map.yaml', tmp_path / 'mine.yaml'
    words = ['--map', str(example), '-o', str(out), '--channels', 'browInnerUp', 'jawOpen', 'mouthSmileLeft']
    assert main(['calibrate-joints', *words]) == 0
    assert robot.sent == 4  # the second channel again with its new factor, and the third before the end
    most = sweep(load_joint_map(out), 'jawOpen').positions.max()
    assert most == pytest.approx(0.2, abs=0.01)
    assert [path.name for path in tmp_path.iterdir()] == ['mine.yaml']


@pytest.mark.parametrize(
    ('name', 'told'), [('none/mine.yaml', 'there is no folder'), ('mine.txt', 'use .yaml')]
)
def test_a_map_that_cannot_be_written_is_said_before_the_robot_moves(
    name: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(calibrate_joints, '_robot', lambda joint_map: pytest.fail('the robot moved'))
    words = ['--map', str(ROOT / 'config' / 'joint_map.yaml'), '-o', str(tmp_path / name)]
    assert main(['calibrate-joints', *words]) == 1
    assert told in capsys.readouterr().err


def test_controllers_name_the_joints_of_the_map_in_its_order() -> None:
    controllers = yaml.safe_load((ROOT / 'config' / 'avatar_head_controllers.yaml').read_text())
    for name, kind in (('trajectory', 'JointTrajectoryController'), ('forward', 'ForwardCommandController')):
        values = controllers[f'head_{name}_controller']['ros__parameters']
        assert values['joints'] == list(EXAMPLE.names)
        assert values['type'].endswith(f'/{kind}')


@pytest.mark.parametrize('name', ['mujoco', 'gazebo'])
def test_launch_files_import(name: str) -> None:
    path = ROOT / 'launch' / f'{name}.launch.py'
    code = compile(path.read_text(), str(path), 'exec')
    pytest.importorskip('launch_ros', reason='launch_ros is not installed')
    scope: dict[str, object] = {}
    exec(code, scope)
    scope['generate_launch_description']()  # type: ignore[operator]
