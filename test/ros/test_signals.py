# SPDX-License-Identifier: Apache-2.0
"""Every executable ends when it is told to: status 0, no traceback, no process left; so does the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')
psutil = pytest.importorskip('psutil')
from own_domain import own_domain  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402

from diffposetalk_ros.ros.support.lifecycle_client import LifecycleClient  # noqa: E402
from diffposetalk_ros.util.resources import demo_clip  # noqa: E402

ROOT = Path(__file__).parents[2]


def start(
    words: list[str], folder: Path, name: str, stdin: int = subprocess.DEVNULL, **environment: str
) -> subprocess.Popen[bytes]:
    paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    with (folder / f'{name}.log').open('wb') as log:
        return subprocess.Popen(
            [sys.executable, *words],
            stdout=log,
            stderr=log,
            stdin=stdin,
            env=os.environ | {'PYTHONPATH': os.pathsep.join(paths), 'PYTHONUNBUFFERED': '1'} | environment,
        )


def commands(model: Path) -> dict[str, tuple[list[str], str]]:
    """Executable -> (arguments, name of its node)."""
    clip = str(demo_clip())
    found = {
        'diffposetalk_node': (['--ros-args', '-p', f'model.path:={model}'], 'diffposetalk'),
        # In a namespace: nobody hears it, so it waits and does not end by itself.
        'audio_player_node': (['--ros-args', '-r', '__ns:=/alone', '-p', f'file:={clip}'], 'audio_player'),
        'joint_command_node': ([], 'joint_command'),
        'viewer_node': (['--ros-args', '-p', 'port:=0'], 'viewer'),
    }
    try:
        import mujoco  # noqa: F401
    except ImportError:
        return found
    return found | {'mujoco_node': ([], 'mujoco_robot')}


def test_nodes_end(model_folder: Path, tmp_path: Path) -> None:
    """All at once, the talking node active. Ctrl-C takes the same way through rclpy."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('watcher', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    listed = commands(model_folder)
    running = {
        name: start([str(ROOT / 'scripts' / name), *words], tmp_path, name)
        for name, (words, _) in listed.items()
    }
    try:
        deadline = time.monotonic() + 120
        while not {name for _, name in listed.values()} <= set(node.get_node_names()):
            assert time.monotonic() < deadline, node.get_node_names()
            executor.spin_once(timeout_sec=0.05)
        lifecycle = LifecycleClient(node, executor, 'diffposetalk')
        assert lifecycle.configure() and lifecycle.activate()
        for process in running.values():
            process.terminate()
        status = {name: process.wait(60) for name, process in running.items()}
        assert status == dict.fromkeys(listed, 0)
        for name in listed:
            assert 'Traceback' not in (tmp_path / f'{name}.log').read_text(), name
    finally:
        for process in running.values():
            process.kill()
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


def test_a_player_that_waits_for_its_input_ends(tmp_path: Path) -> None:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('watcher', context=context)
    words = ['--ros-args', '-p', 'file:=/dev/stdin', '-p', 'raw_rate:=16000']
    script = str(ROOT / 'scripts' / 'audio_player_node')
    player = start([script, *words], tmp_path, 'player', subprocess.PIPE)
    try:
        deadline = time.monotonic() + 120
        while 'audio_player' not in node.get_node_names():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        player.terminate()
        assert player.wait(60) == 0
        assert (tmp_path / 'player.log').read_text() == ''
    finally:
        player.kill()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_recorder_ends_with_what_it_has(number: signal.Signals, tmp_path: Path) -> None:
    """Nothing was heard: status 2 and one line, not a traceback."""
    words = [str(ROOT / 'scripts' / 'motion_recorder'), '--ros-args', '-r', '__ns:=/alone']
    process = start([*words, '-p', f'file:={tmp_path / "take.npz"}'], tmp_path, 'recorder')
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('watcher', context=context)
    try:
        deadline = time.monotonic() + 120
        while 'motion_recorder' not in node.get_node_names():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(60) == 2
        text = (tmp_path / 'recorder.log').read_text()
        assert 'no FaceMotion' in text and 'Traceback' not in text
    finally:
        process.kill()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


def test_the_demo_ends_its_processes(model_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    options = ['--model', str(model_folder), '--steps', '1', '--keep-running', '--no-video', '-o', str(out)]
    # In a domain of its own: avatars that earlier tests have left in theirs would be asked as well.
    domain = own_domain()
    process = start(
        ['-m', 'diffposetalk_ros.cli.main', 'demo', *options], tmp_path, 'demo', ROS_DOMAIN_ID=domain
    )
    try:
        log = tmp_path / 'demo.log'
        deadline = time.monotonic() + 180
        while 'speaking' not in log.read_text():
            assert time.monotonic() < deadline and process.poll() is None, log.read_text()
            time.sleep(0.05)
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) == 3
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
    text = log.read_text() + (out / 'demo.log').read_text()
    assert 'stopped' in text and 'Traceback' not in text
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert (out / 'latency.json').is_file(), 'what came is written'
