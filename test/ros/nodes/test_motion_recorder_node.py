# SPDX-License-Identifier: Apache-2.0
"""Published motion to files and back: the recorder as a process of its own, stopped with Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('diffposetalk_ros.msg', reason='the messages are not built')

from builtin_interfaces.msg import Time  # noqa: E402
from diffposetalk_ros.msg import FaceMotion, FaceMotionInfo  # noqa: E402

from diffposetalk_ros.cli.main import main as command  # noqa: E402
from diffposetalk_ros.errors import ConfigError, DiffPoseTalkError, MotionError  # noqa: E402
from diffposetalk_ros.motion.layout import layout_for  # noqa: E402
from diffposetalk_ros.motion.motion_file import load_motion  # noqa: E402
from diffposetalk_ros.ros.messages import qos  # noqa: E402
from diffposetalk_ros.ros.messages.motion import frame_message, info_message  # noqa: E402
from diffposetalk_ros.ros.recording import motion_bag  # noqa: E402
from diffposetalk_ros.ros.recording.recorded_motion import clip_from_messages, lost_frames  # noqa: E402

LAYOUT = layout_for('arkit', True)
ROWS = np.random.default_rng(0).uniform(0, 0.5, (30, LAYOUT.width)).astype(np.float32)


def info() -> Any:
    return info_message(
        LAYOUT,
        np.zeros(LAYOUT.width, np.float32),
        stamp=Time(sec=5),
        frame_id='neck',
        model='tiny',
        checksum='0' * 64,
        model_rate=25.0,
        output_rate=50.0,
        playout_delay=0.24,
        style='neutral',
        style_dim=16,
    )


def frames(numbers: range) -> list[Any]:
    return [
        frame_message(
            ROWS[i % len(ROWS)],
            LAYOUT,
            stamp=Time(sec=5, nanosec=20_000_000 * i % 10**9),
            frame_id='neck',
            index=i,
            state=FaceMotion.SPEAKING,
        )
        for i in numbers
    ]


@pytest.fixture
def stage() -> Iterator[Any]:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('stage', namespace='robot', context=context)
    yield node
    node.destroy_node()
    rclpy.try_shutdown(context=context)


@pytest.mark.parametrize('suffix', ['npz', 'csv', 'mcap'])
def test_recorder_writes_what_was_published(stage: Any, tmp_path: Path, suffix: str) -> None:
    if suffix == 'mcap':
        pytest.importorskip('mcap_ros2', reason='mcap-ros2-support is not installed')
    # deep: what the recorder has not yet matched is sent again
    motion = stage.create_publisher(FaceMotion, 'face_motion', 100)
    latched = stage.create_publisher(FaceMotionInfo, 'diffposetalk/info', qos.INFO)
    latched.publish(info())
    path = tmp_path / f'take.{suffix}'
    recorder = subprocess.Popen(
        [
            sys.executable,
            '-m',
            'diffposetalk_ros.ros.nodes.motion_recorder_node',
            '--ros-args',
            '-r',
            '__ns:=/robot',
        ]
        + ['-p', f'file:={path}'],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not motion.get_subscription_count() or not latched.get_subscription_count():
            assert time.monotonic() < deadline and recorder.poll() is None
            time.sleep(0.05)
        for frame in frames(range(30)):
            motion.publish(frame)
            time.sleep(0.005)
        assert motion.wait_for_all_acked(rclpy.duration.Duration(seconds=20))
        time.sleep(0.3)
        recorder.send_signal(signal.SIGINT)
        output, _ = recorder.communicate(timeout=60)
    finally:
        recorder.kill()
    assert recorder.returncode == 0, output
    assert '30 frames' in output and 'lost 0' in output
    if suffix == 'mcap':
        assert command(['convert', str(path), '-o', str(tmp_path / 'motion.npz')]) == 0
        path = tmp_path / 'motion.npz'
    clip = load_motion(path)
    assert clip.fps == 50.0
    np.testing.assert_allclose(clip.values, ROWS, atol=1e-5)


def test_recorder_without_motion_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'diffposetalk_ros.ros.nodes.motion_recorder_node',
            '--ros-args',
            '-r',
            '__ns:=/nobody',
        ]
        + ['-p', f'file:={tmp_path}/take.npz', '-p', 'wait:=0.5'],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 and 'no FaceMotionInfo' in done.stderr


@pytest.mark.parametrize('name', ['take.wav', 'nowhere/take.npz', ''])
def test_a_place_that_cannot_be_written_is_told_before_the_take(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'diffposetalk_ros.ros.nodes.motion_recorder_node',
            '--ros-args',
            '-r',
            '__ns:=/nobody',
        ]
        + ['-p', f'file:={tmp_path}/{name}'],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count('\n') == 1 and str(tmp_path) in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_frame_that_is_not_finite_does_not_cost_the_take() -> None:
    received = frames(range(6))
    received[3].expression[0] = float('nan')
    clip = clip_from_messages(info(), received)
    np.testing.assert_array_equal(clip.values[3], clip.values[2])
    assert (len(clip.values), clip.meta['unusable_frames']) == (6, 1)
    with pytest.raises(MotionError, match='NaN'):
        clip_from_messages(info(), received[3:4])


def test_lost_frames_repeat_the_one_before() -> None:
    received = [frame for frame in frames(range(3, 13)) if frame.frame_index != 7]
    assert lost_frames(received) == 1
    clip = clip_from_messages(info(), received)
    assert len(clip.values) == 10
    np.testing.assert_array_equal(clip.values[4], clip.values[3])
    assert clip.meta['first_stamp_ns'] == 5_060_000_000


def test_activation_anew_starts_a_new_stretch() -> None:
    clip = clip_from_messages(info(), frames(range(5)) + frames(range(20)))
    assert len(clip.values) == 20 and clip.meta['stretches'] == 2


def test_bags_of_several_topics_and_bad_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('mcap_ros2', reason='mcap-ros2-support is not installed')
    folder = tmp_path / 'bag'
    folder.mkdir()
    times = list(range(10))
    for name in ('left', 'right'):
        topics = (f'/{name}/face_motion', f'/{name}/diffposetalk/info')
        motion_bag.write_motion_bag(folder / f'{name}.mcap', info(), frames(range(10)), times, topics)
    with pytest.raises(MotionError, match='/left/face_motion, /right/face_motion; choose one'):
        motion_bag.read_motion_bag(folder)
    with pytest.raises(MotionError, match='no motion on /up'):
        motion_bag.read_motion_bag(folder, '/up')
    assert len(motion_bag.read_motion_bag(folder, '/left/face_motion').values) == 10
    whole = (folder / 'left.mcap').read_bytes()
    for damaged in (b'', b'no bag', whole[:200], whole[: len(whole) // 2]):
        (tmp_path / 'bad.mcap').write_bytes(damaged)
        with pytest.raises(DiffPoseTalkError) as caught:
            motion_bag.read_motion_bag(tmp_path / 'bad.mcap')
        assert '\n' not in str(caught.value)
    with pytest.raises(MotionError, match='cannot be read'):
        motion_bag.read_motion_bag(tmp_path / 'nothing.mcap')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(MotionError, match='no .mcap file'):
        motion_bag.read_motion_bag(tmp_path / 'empty')
    monkeypatch.setitem(sys.modules, 'mcap_ros2.decoder', None)
    with pytest.raises(ConfigError, match='pip install mcap'):
        motion_bag.read_motion_bag(folder)
