# SPDX-License-Identifier: Apache-2.0
"""What is told to end in the middle leaves no half-written file and no process."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.motion.files.motion_file import save_motion
from diffposetalk_ros.motion.layout import layout_for
from diffposetalk_ros.motion.motion_clip import MotionClip

psutil = pytest.importorskip('psutil')
pytest.importorskip('av')


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_render_ends_with_all_it_started(number: signal.Signals, tmp_path: Path) -> None:
    layout = layout_for('arkit', True)
    save_motion(tmp_path / 'a.npz', MotionClip(np.zeros((5000, layout.width), np.float32), 25.0, layout))
    words = ['render', 'a.npz', '-o', 'out.mp4', '--workers', '2', '--size', '320x240']
    process = subprocess.Popen(
        [sys.executable, '-m', 'diffposetalk_ros.cli', *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    )
    parts = list(tmp_path.glob('.out.mp4*'))
    while not parts or parts[0].stat().st_size == 0:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
        parts = list(tmp_path.glob('.out.mp4*'))
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    output = process.communicate(timeout=30)[0].decode()
    assert not psutil.wait_procs(children, timeout=10)[1]
    if number == signal.SIGKILL:
        return
    assert process.returncode == 130 and output == 'diffposetalk render: interrupted\n'
    assert [path.name for path in tmp_path.iterdir()] == ['a.npz']
