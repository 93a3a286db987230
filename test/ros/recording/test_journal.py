# SPDX-License-Identifier: Apache-2.0
"""A take that ends anywhere, as by a power cut, opens with all that was whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('diffposetalk_ros.msg', reason='the messages are not built')

from builtin_interfaces.msg import Time  # noqa: E402

from diffposetalk_ros.errors import MotionError  # noqa: E402
from diffposetalk_ros.motion.files.motion_file import load_motion  # noqa: E402
from diffposetalk_ros.motion.layout import layout_for  # noqa: E402
from diffposetalk_ros.ros.messages.motion import frame_message, info_message  # noqa: E402
from diffposetalk_ros.ros.recording.bag_storage import BagMessage  # noqa: E402
from diffposetalk_ros.ros.recording.journal import DurableFile, Journal, journal_path  # noqa: E402
from diffposetalk_ros.ros.recording.motion_bag import read_motion_bag  # noqa: E402

LAYOUT = layout_for('arkit', True)
ROWS = np.random.default_rng(0).uniform(0, 0.5, (40, LAYOUT.width)).astype(np.float32)
TOPICS = ('/face_motion', '/diffposetalk/info')


def info() -> Any:
    return info_message(
        LAYOUT, np.zeros(LAYOUT.width, np.float32), stamp=Time(sec=5), frame_id='neck', model='tiny',
        checksum='0' * 64, model_rate=25.0, output_rate=50.0, playout_delay=0.24, style='neutral', style_dim=16,
    )  # fmt: skip


def frame(number: int, index: int | None = None) -> Any:
    index = number if index is None else index
    return frame_message(ROWS[number], LAYOUT, stamp=Time(sec=5), frame_id='neck', index=index, state=2)


def read(path: Path) -> Any:
    return read_motion_bag(path) if path.suffix == '.mcap' else load_motion(path)


@pytest.mark.parametrize('suffix', ['mcap', 'csv'])
def test_every_prefix_of_a_take_opens_with_its_whole_frames(tmp_path: Path, suffix: str) -> None:
    if suffix == 'mcap':
        pytest.importorskip('mcap_ros2', reason='mcap-ros2-support is not installed')
    journal = Journal(tmp_path / f'take.{suffix}', TOPICS)
    journal.info(info(), 0)
    journal.frame(frame(0), 0)
    assert journal.path is not None
    sizes = []
    for number in range(1, 40):
        journal.sync(float(number))
        sizes.append(journal.path.stat().st_size)
        journal.frame(frame(number), number * 20_000_000)
    data = journal.path.read_bytes()
    journal.finish()
    np.testing.assert_allclose(read(journal.path).values, ROWS, atol=1e-6)
    cut = tmp_path / f'cut.{suffix}'
    for end in np.linspace(sizes[1], len(data), 60).astype(int):
        cut.write_bytes(data[:end])
        whole = sum(size <= end for size in sizes)
        clip = read(cut)
        assert whole <= len(clip.values) <= whole + 1
        np.testing.assert_allclose(clip.values[:whole], ROWS[:whole], atol=1e-6)


def test_holes_and_new_activations_go_on_in_a_table(tmp_path: Path) -> None:
    journal = Journal(tmp_path / 'take.csv', TOPICS)
    for number, index in enumerate([7, 8, 10, 0, 1]):
        journal.frame(frame(number, index), number)
        if number == 2:
            journal.info(info(), number)
    journal.finish()
    clip = load_motion(tmp_path / 'take.csv')
    np.testing.assert_allclose(clip.values[[0, 1, 3, 4, 5]], ROWS[:5], atol=1e-6)
    np.testing.assert_allclose(clip.values[2, :52], ((ROWS[1] + ROWS[2]) / 2)[:52], atol=1e-6)


def test_sound_before_the_first_frame_is_kept(tmp_path: Path) -> None:
    pytest.importorskip('mcap_ros2', reason='mcap-ros2-support is not installed')
    pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')
    from diffposetalk_ros.ros.recording.motion_bag import read_sound_bag

    journal = Journal(tmp_path / 'take.mcap', TOPICS)
    sound = [BagMessage('/audio', 'audio_common_msgs/msg/AudioData', i, bytes([i])) for i in range(4)]
    journal.sound(sound[0])
    journal.info(info(), 1)
    journal.sound(sound[1])
    journal.frame(frame(0), 2)
    journal.sound(sound[2])
    journal.finish()
    assert read_sound_bag(tmp_path / 'take.mcap') == sound[:3]


def test_nothing_is_written_before_a_frame(tmp_path: Path) -> None:
    journal = Journal(tmp_path / 'take.csv', TOPICS)
    journal.info(info(), 0)
    journal.sync(1.0)
    journal.finish()
    assert not list(tmp_path.iterdir()) and journal.path is None


def test_a_take_that_is_there_stays_and_links_are_not_followed(tmp_path: Path) -> None:
    assert journal_path(tmp_path / 'a.mcap') == tmp_path / 'a.mcap'
    (tmp_path / 'a.mcap').write_bytes(b'old')
    assert journal_path(tmp_path / 'a.mcap') == tmp_path / 'a.part.mcap'
    (tmp_path / 'a.part.mcap').symlink_to(tmp_path / 'victim')
    assert journal_path(tmp_path / 'a.mcap') == tmp_path / 'a.part-2.mcap'
    assert journal_path(tmp_path / 'b.npz') == tmp_path / 'b.part.csv'
    with pytest.raises(FileExistsError):
        DurableFile(tmp_path / 'a.part.mcap')
    assert not (tmp_path / 'victim').exists()


def test_a_folder_that_is_gone_is_a_failure_that_is_told(tmp_path: Path) -> None:
    journal = Journal(tmp_path / 'none' / 'take.csv', TOPICS)
    journal.info(info(), 0)
    journal.frame(frame(0), 0)
    journal.frame(frame(1), 1)
    journal.finish()
    assert isinstance(journal.failure, FileNotFoundError)


def test_an_unreadable_beginning_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip('mcap_ros2', reason='mcap-ros2-support is not installed')
    (tmp_path / 'a.mcap').write_bytes(b'\x89MCAP0\r\n\x01')
    with pytest.raises(MotionError, match=r'a\.mcap'):
        read_motion_bag(tmp_path / 'a.mcap')
