# SPDX-License-Identifier: Apache-2.0
"""The command line beside a running demo: found by itself, in a domain of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')
soundfile = pytest.importorskip('soundfile')

ROOT = Path(__file__).parents[3]


class Shell:
    """A user without ROS_DOMAIN_ID, whose demos are nobody else's."""

    def __init__(self, folder: Path) -> None:
        paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
        own = {'PYTHONPATH': os.pathsep.join(paths), 'XDG_RUNTIME_DIR': str(folder), 'PYTHONUNBUFFERED': '1'}
        self.environment = {
            name: value
            for name, value in (os.environ | own).items()
            if name not in ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE')
        }

    def command(self, *words: str) -> list[str]:
        return [sys.executable, '-m', 'diffposetalk_ros.cli', *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            env=self.environment,
        )


@pytest.fixture(scope='module')
def shell(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp('demo')
    shell = Shell(folder)
    path = folder / 'voice.wav'
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, 32000), 16000)
    options = ['--model', str(model_folder), '--steps', '1', '--keep-running', '--no-page', '--no-video']
    demo = subprocess.Popen(
        shell.command('demo', str(path), '-o', str(folder / 'out'), *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=shell.environment,
    )
    assert demo.stdout is not None
    for line in demo.stdout:
        if 'frames' in line:
            break
    else:
        raise AssertionError('the demo ended')
    yield shell
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=240)


def test_status_tells_what_runs(shell: Shell) -> None:
    deadline = time.monotonic() + 60
    while True:
        done = shell.run('ctl', 'status', '--json')
        assert done.returncode == 0, done.stderr
        status = json.loads(done.stdout)
        sound = status['diagnostics'].get('audio in', {'values': {}})['values']
        if sound.get('senders') == '1' and status['face'] != 'no motion':
            break
        assert time.monotonic() < deadline, status
    assert status['lifecycle'] == 'active' and status['space'] == 'arkit'
    assert shell.run('ctl', 'status').stdout.startswith('node       diffposetalk\n')


def test_style_is_changed_and_an_unknown_one_refused(shell: Shell) -> None:
    assert shell.run('ctl', 'styles').stdout.splitlines() == ['lively', 'neutral  (in use)']
    assert shell.run('ctl', 'set-style', 'lively').stdout == 'style: lively\n'
    assert 'lively  (in use)' in shell.run('ctl', 'styles').stdout
    refused = shell.run('ctl', 'set-style', 'unheard_of')
    assert refused.returncode == 1 and "'unheard_of'" in refused.stderr and not refused.stdout


def test_parameters_and_interrupt(shell: Shell) -> None:
    assert shell.run('ctl', 'set', 'strength.mouth', '1.5').stdout == 'strength.mouth: 1.5\n'
    refused = shell.run('ctl', 'set', 'strength.mouth', '99')
    assert refused.returncode == 1 and 'strength.mouth' in refused.stderr
    assert shell.run('ctl', 'interrupt').stdout == 'interrupted\n'


def test_a_node_that_is_not_there_is_told_with_what_is(shell: Shell) -> None:
    done = shell.run('ctl', '--node', 'nobody', '--timeout', '8', 'interrupt')
    assert done.returncode == 1 and 'nobody does not answer' in done.stderr and '/diffposetalk' in done.stderr
    assert 'Traceback' not in done.stderr


def test_without_a_demo_the_default_domain_is_used(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    shell.environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] = (
        'LOCALHOST'  # a robot of this network may be in that domain
    )
    done = shell.run('ctl', '--timeout', '1', 'styles')
    assert done.returncode == 1 and 'does not answer within 1 s' in done.stderr
