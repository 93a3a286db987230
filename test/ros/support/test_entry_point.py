# SPDX-License-Identifier: Apache-2.0
"""What a person mistypes ends every node in one line of its own and status 2."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')
from rclpy.node import Node  # noqa: E402

from diffposetalk_ros.ros.support.entry_point import run_node  # noqa: E402

NODES = {
    'avatar_node': 'sampler.steps',
    'audio_player_node': 'file',
    'audio_replay_node': 'file',
    'motion_recorder_node': 'file',
    'viewer_node': 'port',
    'joint_command_node': 'map_file',
    'mujoco_node': 'speed',
    'avatars_node': 'sampler.steps',
    'microphone_node': 'chunk',
}


MISTYPED = [['-p', 'x'], ['--params-file', '/no/such.yaml']]
SEVERAL = """
import json, os, runpy, sys, tempfile
module, answers = sys.argv[1], []
for words in json.loads(sys.argv[2]):
    with tempfile.TemporaryFile('w+') as out, tempfile.TemporaryFile('w+') as err:
        kept = [os.dup(1), os.dup(2)]
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.argv = [module, *words]
        try:
            runpy.run_module(module, run_name='__main__', alter_sys=True)
            code = 'no end'
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        for number, before in enumerate(kept, 1):
            os.dup2(before, number)
        for file in (out, err):
            file.seek(0)
        answers.append([code, out.read(), err.read()])
print(json.dumps(answers))
"""
"""Runs a module as ``python -m`` does, once for each list of words. Most of the time is its imports."""


@cache
def answers(name: str) -> dict[tuple[str, ...], tuple[int, str, str]]:
    """Arguments -> (status, stdout, stderr) of a node, for all that is asked of it here."""
    if name == 'mujoco_node':
        pytest.importorskip('mujoco')
    asked = [['--help'], *(['--ros-args', *words] for words in [['-p', f'{NODES[name]}:=[1, 2]'], *MISTYPED])]
    command = [sys.executable, '-c', SEVERAL, f'diffposetalk_ros.ros.nodes.{name}', json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return {tuple(words): tuple(told) for words, told in zip(asked, json.loads(done.stdout), strict=True)}


def refused(name: str, *words: str) -> str:
    """The last line of a node that must end by itself."""
    status, _, told = answers(name)[('--ros-args', *words)]
    assert status == 2, told
    lines = told.splitlines()
    # rcl logs a line of its own.
    assert all('[rcl]' in line for line in lines[:-1]), told
    return lines[-1]


@pytest.mark.parametrize('name', NODES)
def test_a_value_of_another_type_is_told_in_a_line(name: str) -> None:
    line = refused(name, '-p', f'{NODES[name]}:=[1, 2]')
    program = {'motion_recorder_node': 'motion_recorder'}.get(name, name)
    assert line.startswith(f'{program}: ') or name == 'avatar_node'
    assert NODES[name] in line


@pytest.mark.parametrize('name', NODES)
def test_arguments_ros_does_not_understand_are_told_in_a_line(name: str) -> None:
    for words, told in zip(MISTYPED, ('NAME:=VALUE', '/no/such.yaml'), strict=True):
        assert told in refused(name, *words)


@pytest.mark.parametrize(
    'words', [['ros.nodes.audio_player_node'], ['cli', 'demo', '--no-page', '--no-video']]
)
def test_where_ros_cannot_write_its_log_the_way_out_is_told(words: list[str], tmp_path: Path) -> None:
    command = [sys.executable, '-m', f'diffposetalk_ros.{words[0]}', *words[1:]]
    environment = os.environ | {'ROS_LOG_DIR': '/proc/nowhere'}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, check=False, cwd=tmp_path, env=environment
    )
    assert done.returncode in (1, 2) and done.stderr.count('\n') == 1, done.stderr
    assert '/proc/nowhere' in done.stderr and 'set ROS_LOG_DIR' in done.stderr


@pytest.mark.parametrize('name', NODES)
def test_help_teaches_and_starts_nothing(name: str) -> None:
    status, told, errors = answers(name)[('--help',)]
    assert status == 0 and not errors
    program = {'avatar_node': 'diffposetalk_node', 'motion_recorder_node': 'motion_recorder'}.get(name, name)
    assert told.startswith(f'usage: {program} ') and f'\n    {program} -' in told
    assert name == 'avatars_node' or re.search(rf'^  {NODES[name]} +\S', told, re.M)


def test_told_to_end_while_it_begins_a_node_ends_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    def make() -> Node:
        rclpy.shutdown()  # as rclpy's signal handler does
        return Node('too_late')

    assert run_node('too_late', make, []) == 0
    assert not capsys.readouterr().err
    # Where something should have come of it, that is an error.
    assert run_node('too_late', make, [], unmade='nothing was recorded') == 2
    error = capsys.readouterr().err
    assert 'nothing was recorded' in error and len(error.strip().splitlines()) == 1


@pytest.mark.parametrize('enclaves', [False, True])
def test_errors_of_security_are_one_line_that_says_where_to_look(enclaves: bool, tmp_path: Path) -> None:
    if enclaves:
        (tmp_path / 'enclaves').mkdir()
    environment = os.environ | {
        'ROS_SECURITY_ENABLE': 'true',
        'ROS_SECURITY_STRATEGY': 'Enforce',
        'ROS_SECURITY_KEYSTORE': str(tmp_path),
    }
    command = [sys.executable, '-m', 'diffposetalk_ros.ros.nodes.audio_player_node', '--ros-args']
    done = subprocess.run(
        [*command, '-p', 'file:=x.wav'],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=environment,
    )
    assert done.returncode == 2
    line = done.stderr.splitlines()[-1]
    assert line.startswith('audio_player_node: ') and 'ROS_SECURITY_KEYSTORE' in line
    assert 'Traceback' not in done.stderr and 'NAME:=' not in line


def test_a_second_ctrl_c_ends_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    ended: list[str] = []

    def finish(node: Node) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        ended.append(node.get_name())

    assert run_node('patient', lambda: Node('patient'), [], lambda node: None, finish) == 0
    assert ended == ['patient'] and not capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
