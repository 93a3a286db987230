# SPDX-License-Identifier: Apache-2.0
"""The demo on a topic somebody else publishes, and how it ends: nothing it started may outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')
psutil = pytest.importorskip('psutil')
soundfile = pytest.importorskip('soundfile')

from own_domain import own_domain  # noqa: E402

from diffposetalk_ros.motion.files.motion_file import load_motion  # noqa: E402

ROOT = Path(__file__).parents[2]


def start(domain: str, *arguments: str) -> subprocess.Popen[str]:
    paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    environment = os.environ | {
        'PYTHONPATH': os.pathsep.join(paths),
        'PYTHONUNBUFFERED': '1',
        'ROS_DOMAIN_ID': domain,
    }
    return subprocess.Popen(
        [sys.executable, '-m', *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


@pytest.fixture
def domain() -> str:
    """Nodes of other tests in this process carry the same names."""
    return own_domain()


@pytest.fixture
def speaker(domain: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Somebody who talks on /mic, for ever."""
    path = tmp_path / 'voice.wav'
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, 32000), 16000)
    arguments = ['-r', 'audio:=/mic', '-p', f'file:={path}', '-p', 'loop:=true']
    process = start(domain, 'diffposetalk_ros.ros.nodes.audio_player_node', '--ros-args', *arguments)
    yield process
    process.kill()
    process.communicate()


def test_demo_follows_a_topic_and_cleans_up(
    speaker: subprocess.Popen[str], domain: str, model_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'out'
    options = ['--model', str(model_folder), '--steps', '1', '--no-video', '-o', str(out)]
    demo = start(domain, 'diffposetalk_ros.cli.main', 'demo', '--topic', '/mic', *options)
    lines: list[str] = []
    assert demo.stdout is not None
    reader = threading.Thread(target=lambda: lines.extend(demo.stdout or []))
    reader.start()
    try:
        deadline = time.monotonic() + 240
        while sum('frames' in line for line in lines) < 3:
            assert demo.poll() is None and time.monotonic() < deadline, ''.join(lines)
            time.sleep(0.1)
        children = psutil.Process(demo.pid).children(recursive=True)
        demo.send_signal(signal.SIGINT)
        demo.wait(90)
    finally:
        demo.kill()
        reader.join()
    assert demo.returncode == 0, ''.join(lines)
    assert children, 'the node is a process of its own'
    assert not [child for child in children if child.is_running()]
    assert 'Traceback' not in ''.join(lines)
    assert load_motion(out / 'motion.npz').duration > 1
    assert speaker.poll() is None, 'what it did not start goes on'
