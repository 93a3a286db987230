# SPDX-License-Identifier: Apache-2.0
"""`diffposetalk bench-live` from end to end, and interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')
pytest.importorskip('soundfile')
psutil = pytest.importorskip('psutil')


def command(model: Path, out: Path, *options: str) -> list[str]:
    words = [sys.executable, '-m', 'diffposetalk_ros.cli.main', 'bench-live', '--model', str(model)]
    return [*words, '-p', 'sampler.steps:=1', '-o', str(out / 'live'), *options]


def test_it_measures_and_writes(model_folder: Path, tmp_path: Path) -> None:
    options = ('--minutes', '0.1', '--cycles', '2')
    done = subprocess.run(
        command(model_folder, tmp_path, *options), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / 'live.json').read_text())
    assert '--minutes 0.1 --output-rate 50 --cycles 2' in report['about']['command']
    tables = {table['title']: table for table in report['tables']}
    assert {'Lifecycle', 'Requirements', 'Times', 'Minute by minute'} <= set(tables)
    rows = {row[0]: row[1] for row in tables['Requirements']['rows']}
    # Nothing that depends on how fast this machine is.
    assert rows['frames missing'] == rows['frames published twice'] == 0
    assert rows['stamps of face_motion and head_pose that differ'] == 0
    assert '| what | measured | at most | met |' in done.stdout
    assert (tmp_path / 'live.md').is_file()


def test_interrupted_it_leaves_no_process(model_folder: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(model_folder, tmp_path, '--minutes', '5'),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {'PYTHONUNBUFFERED': '1'},
    )
    watched = psutil.Process(process.pid)
    deadline = time.monotonic() + 60
    while not (children := watched.children(recursive=True)):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 130, output
    assert 'Traceback' not in output and 'interrupted' in output
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert not (tmp_path / 'live.json').exists()


def test_user_errors_end_in_one_line(tmp_path: Path) -> None:
    for options in (('--minutes', '0.01'), ('/no/such.wav', '--minutes', '1')):
        words = command(tmp_path / 'nowhere', tmp_path, *options)
        done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 1
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
