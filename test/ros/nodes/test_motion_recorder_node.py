# SPDX-License-Identifier: Apache-2.0
"""Published motion to files and back: the recorder as a process of its own, stopped with Ctrl-C."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
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
from diffposetalk_ros.motion.files.motion_file import load_motion  # noqa: E402
from diffposetalk_ros.motion.layout import layout_for  # noqa: E402
from diffposetalk_ros.ros.messages import qos  # noqa: E402
from diffposetalk_ros.ros.messages.motion import frame_message, info_message  # noqa: E402
from diffposetalk_ros.ros.recording import motion_bag  # noqa: E402
from diffposetalk_ros.ros.recording.clip_of_messages import clip_from_messages, lost_frames  # noqa: E402

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


def _kept(folder: Path) -> int:
    """Frames that are on disk in the only file there, while it is being written."""
    for path in folder.iterdir():
        try:
            return len((motion_bag.read_motion_bag if path.suffix == '.mcap' else load_motion)(path).values)
        except DiffPoseTalkError:  # nothing whole yet
            return 0
    return 0


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
        while _kept(tmp_path) < 30:
            assert time.monotonic() < deadline and recorder.poll() is None
            time.sleep(0.1)
        recorder.send_signal(signal.SIGINT)
        output, _ = recorder.communicate(timeout=240)
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


def _record_nobody(words: list[str]) -> subprocess.CompletedProcess[str]:
    """The recorder in a namespace where nothing is published."""
    module = 'diffposetalk_ros.ros.nodes.motion_recorder_node'
    command = [sys.executable, '-m', module, '--ros-args', '-r', '__ns:=/nobody', *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_recorder_without_motion_says_so(tmp_path: Path) -> None:
    done = _record_nobody(['-p', f'file:={tmp_path}/take.npz', '-p', 'wait:=0.5'])
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 and 'no FaceMotionInfo' in done.stderr


@pytest.mark.parametrize('name', ['take.wav', 'nowhere/take.npz', ''])
def test_a_place_that_cannot_be_written_is_told_before_the_take(name: str, tmp_path: Path) -> None:
    done = _record_nobody(['-p', f'file:={tmp_path}/{name}'])
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


def test_frames_before_the_recording_and_of_another_activation_are_not_lost() -> None:
    assert lost_frames(frames(range(1000, 1010)) + frames(range(5))) == 0
    assert lost_frames(frames(range(1000, 1010)) + frames(range(3)) + frames(range(5, 7))) == 2
    assert lost_frames([]) == 0


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
    for damaged in (b'', b'no bag', whole[:200], whole[:-300] + bytes(200) + whole[-100:]):
        (tmp_path / 'bad.mcap').write_bytes(damaged)
        with pytest.raises(DiffPoseTalkError) as caught:
            motion_bag.read_motion_bag(tmp_path / 'bad.mcap')
        assert '\n' not in str(caught.value)
    with pytest.raises(MotionError, match='cannot be read'):
        motion_bag.read_motion_bag(tmp_path / 'nothing.mcap')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(MotionError, match='no .mcap or .db3 file'):
        motion_bag.read_motion_bag(tmp_path / 'empty')
    monkeypatch.setitem(sys.modules, 'mcap_ros2.decoder', None)
    with pytest.raises(ConfigError, match='pip install mcap'):
        motion_bag.read_motion_bag(folder)


def _bag_of(folder: Path, parts: list[range], names: list[str]) -> None:
    folder.mkdir()
    topics = ('/face_motion', '/diffposetalk/info')
    for numbers, name in zip(parts, names, strict=True):
        times = [5 * 10**9 + i * 20_000_000 for i in numbers]
        motion_bag.write_motion_bag(folder / name, info(), frames(numbers), times, topics)


@pytest.mark.parametrize('metadata', [False, True])
def test_a_split_bag_is_read_in_the_order_of_its_times(
    tmp_path: Path, metadata: bool, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip('mcap_ros2', reason='mcap-ros2-support is not installed')
    folder = tmp_path / 'take'
    _bag_of(folder, [range(10 * k, 10 * k + 10) for k in range(12)], [f'take_{k}.mcap' for k in range(12)])
    if metadata:
        names = ''.join(f'    - take_{k}.mcap\n' for k in range(13))
        (folder / 'metadata.yaml').write_text(
            f'rosbag2_bagfile_information:\n  relative_file_paths:\n{names}'
        )
    clip = motion_bag.read_motion_bag(folder)
    expected = ROWS[np.arange(120) % len(ROWS)]
    np.testing.assert_allclose(clip.values, expected, atol=1e-5)
    assert 'stretches' not in clip.meta
    assert ('take_12.mcap' in caplog.text) == metadata


@pytest.mark.parametrize('name', ['take_2.mcap', 'take_2.db3'])
def test_an_empty_file_does_not_cost_the_bag(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip('mcap_ros2', reason='mcap-ros2-support is not installed')
    folder = tmp_path / 'take'
    _bag_of(folder, [range(10), range(10, 20)], ['take_0.mcap', 'take_1.mcap'])
    (folder / name).touch()
    assert len(motion_bag.read_motion_bag(folder).values) == 20
    assert f'empty files are skipped: {name}' in caplog.text
    for file in folder.glob('*.mcap'):
        file.write_bytes(b'')
    with pytest.raises(MotionError, match='all files of this bag are empty'):
        motion_bag.read_motion_bag(folder)


def _as_sqlite(source: Path, target: Path, with_definitions: bool) -> None:
    """The messages of an .mcap file as rosbag2_storage_sqlite3 lays them out."""
    from contextlib import closing

    from diffposetalk_ros.ros.recording.bag_storage import file_messages

    with closing(sqlite3.connect(target)) as base:
        base.executescript(
            'CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,'
            ' serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL, type_description_hash TEXT);'
            'CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, timestamp INTEGER NOT NULL,'
            ' data BLOB NOT NULL);'
        )
        if with_definitions:
            base.execute(
                'CREATE TABLE message_definitions(id INTEGER PRIMARY KEY, topic_type TEXT NOT NULL, encoding TEXT'
                ' NOT NULL, encoded_message_definition TEXT NOT NULL, type_description_hash TEXT NOT NULL)'
            )
        topics: dict[str, int] = {}
        for schema, message in file_messages(source):
            if message.topic not in topics:
                topics[message.topic] = len(topics) + 1
                base.execute(
                    "INSERT INTO topics VALUES (?, ?, ?, 'cdr', '', '')",
                    (topics[message.topic], message.topic, message.kind),
                )
                if with_definitions:
                    base.execute(
                        "INSERT INTO message_definitions VALUES (?, ?, 'ros2msg', ?, '')",
                        (topics[message.topic], message.kind, schema.data.decode()),
                    )
            base.execute(
                'INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)',
                (topics[message.topic], message.time, message.data),
            )
        base.commit()


@pytest.mark.parametrize('form', ['db3', 'db3 of Humble', 'db3.zstd', 'mcap.zstd', 'mcap, messages packed'])
def test_other_storages_and_compression_are_read(tmp_path: Path, form: str) -> None:
    zstandard = pytest.importorskip('zstandard', reason='zstandard is not installed')
    pytest.importorskip('mcap_ros2', reason='mcap-ros2-support is not installed')
    topics = ('/face_motion', '/diffposetalk/info')
    folder, plain = tmp_path / 'bag', tmp_path / 'plain.mcap'
    folder.mkdir()
    motion_bag.write_motion_bag(plain, info(), frames(range(30)), list(range(30)), topics)
    if form.startswith('db3'):
        plain = tmp_path / 'plain.db3'
        _as_sqlite(tmp_path / 'plain.mcap', plain, 'Humble' not in form)
    if form.endswith('.zstd'):
        (folder / f'bag_0.{form}').write_bytes(zstandard.ZstdCompressor().compress(plain.read_bytes()))
    elif form.startswith('db3'):
        (folder / 'bag_0.db3').write_bytes(plain.read_bytes())
    else:
        from diffposetalk_ros.ros.recording.bag_storage import BagMessage, file_messages

        with (folder / 'bag_0.mcap').open('wb') as stream:
            writer = motion_bag.BagWriter(stream)
            for _, message in file_messages(plain):
                packed = zstandard.ZstdCompressor().compress(message.data)
                writer.write(BagMessage(message.topic, message.kind, message.time, packed))
            writer.finish()
        (folder / 'metadata.yaml').write_text('  compression_format: zstd\n  compression_mode: MESSAGE\n')
    np.testing.assert_allclose(motion_bag.read_motion_bag(folder).values, ROWS, atol=1e-5)
    assert command(['convert', str(folder), '-o', str(tmp_path / 'motion.npz')]) == 0


def test_damaged_and_foreign_storages_are_called_by_their_name(tmp_path: Path) -> None:
    pytest.importorskip('mcap_ros2', reason='mcap-ros2-support is not installed')
    for name, data in (('a.db3', b'no database at all'), ('b.mcap.zstd', b'no zstd'), ('c.db3', b'')):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DiffPoseTalkError, match=name) as caught:
            motion_bag.read_motion_bag(tmp_path / name)
        assert '\n' not in str(caught.value)
    with pytest.raises(MotionError, match=r'none\.db3: cannot be read'):
        motion_bag.read_motion_bag(tmp_path / 'none.db3')


def _record_while(
    stage: Any, path: Path, wanted: Callable[[int], bool], prepare: str = ''
) -> subprocess.Popen[str]:
    """Record to ``path`` at 50 frames a second, while ``wanted`` of the number of frames so far is true."""
    motion = stage.create_publisher(FaceMotion, 'face_motion', 1000)
    latched = stage.create_publisher(FaceMotionInfo, 'diffposetalk/info', qos.INFO)
    latched.publish(info())
    program = (
        prepare + 'from diffposetalk_ros.ros.nodes.motion_recorder_node import main; raise SystemExit(main())'
    )
    recorder = subprocess.Popen(
        [sys.executable, '-c', program, '--ros-args', '-r', '__ns:=/robot', '-p', f'file:={path}'],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not motion.get_subscription_count() or not latched.get_subscription_count():
        assert time.monotonic() < deadline and recorder.poll() is None
        time.sleep(0.05)
    begin = time.monotonic()
    for index in count():
        if not wanted(index):
            return recorder
        time.sleep(max(0.0, begin + 0.02 * index - time.monotonic()))
        motion.publish(*frames(range(index, index + 1)))
    raise AssertionError('never')


@pytest.mark.parametrize('suffix', ['mcap', 'csv', 'npz'])
def test_a_killed_recorder_loses_no_more_than_the_last_second(
    stage: Any, tmp_path: Path, suffix: str
) -> None:
    """What is on disk while more arrives can be read; how often it is put there is tested without a busy machine."""
    if suffix == 'mcap':
        pytest.importorskip('mcap_ros2', reason='mcap-ros2-support is not installed')
    path = tmp_path / f'take.{suffix}'
    deadline = time.monotonic() + 120

    def wanted(number: int) -> bool:
        assert time.monotonic() < deadline, 'nothing comes to the disk'
        return bool(number % 25) or _kept(tmp_path) < 100

    recorder = _record_while(stage, path, wanted)
    recorder.kill()
    recorder.communicate(timeout=240)
    (left,) = tmp_path.iterdir()
    assert left.name == (f'take.{suffix}' if suffix != 'npz' else 'take.part.csv')
    assert command(['convert', str(left), '-o', str(tmp_path / 'kept.npz')]) == 0
    clip = load_motion(tmp_path / 'kept.npz')
    assert clip.fps == 50 and len(clip.values) >= 100
    np.testing.assert_allclose(clip.values, ROWS[np.arange(len(clip.values)) % len(ROWS)], atol=1e-5)
    if suffix == 'npz':
        with pytest.raises(MotionError, match='has left take.part.csv'):
            load_motion(path)


@pytest.mark.parametrize('suffix', ['mcap', 'npz'])
def test_a_full_disk_ends_the_take_and_keeps_what_fitted(stage: Any, tmp_path: Path, suffix: str) -> None:
    if suffix == 'mcap':
        pytest.importorskip('mcap_ros2', reason='mcap-ros2-support is not installed')
    # A limit on the size of files stands for the full disk: the system refuses to write more in the same way.
    limit = 'import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)); '
    recorder = _record_while(stage, tmp_path / f'take.{suffix}', lambda number: number < 260, limit)
    output, _ = recorder.communicate(timeout=240)
    assert recorder.returncode == 2 and 'cannot be written' in output, output
    (left,) = tmp_path.iterdir()
    assert left.name in output
    assert command(['convert', str(left), '-o', str(tmp_path / 'kept.npz')]) == 0
    clip = load_motion(tmp_path / 'kept.npz')
    assert len(clip.values) >= 60_000 // 1000
    np.testing.assert_allclose(clip.values, ROWS[np.arange(len(clip.values)) % len(ROWS)], atol=1e-5)
