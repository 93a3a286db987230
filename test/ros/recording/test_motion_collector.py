# SPDX-License-Identifier: Apache-2.0
"""A finished take is where its name leads."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('diffposetalk_ros.msg', reason='the messages are not built')

from builtin_interfaces.msg import Time  # noqa: E402

from diffposetalk_ros.motion.files.motion_file import load_motion  # noqa: E402
from diffposetalk_ros.motion.layout import layout_for  # noqa: E402
from diffposetalk_ros.ros.messages.motion import frame_message, info_message  # noqa: E402
from diffposetalk_ros.ros.recording.motion_bag import read_motion_bag  # noqa: E402
from diffposetalk_ros.ros.recording.motion_collector import MotionCollector  # noqa: E402

LAYOUT = layout_for('arkit', True)
ROWS = np.random.default_rng(0).uniform(0, 0.5, (5, LAYOUT.width)).astype(np.float32)


class Node:
    """Keeps the callbacks of its subscriptions by topic."""

    def __init__(self) -> None:
        self.heard: dict[str, Any] = {}

    def create_subscription(self, kind: Any, topic: str, callback: Any, qos: Any, **_: Any) -> Any:
        self.heard[topic] = callback
        return SimpleNamespace(topic_name=f'/{topic}')

    def get_clock(self) -> Any:
        return SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=0))


@pytest.mark.parametrize('suffix', ['mcap', 'csv', 'npz'])
def test_a_take_for_a_link_is_in_the_file_to_which_it_leads(tmp_path: Path, suffix: str) -> None:
    if suffix == 'mcap':
        pytest.importorskip('mcap_ros2', reason='mcap-ros2-support is not installed')
    (tmp_path / 'disk').mkdir()
    there, link = tmp_path / 'disk' / f'take.{suffix}', tmp_path / f'take.{suffix}'
    link.symlink_to(there)
    node = Node()
    collector = MotionCollector(node, target=link)
    node.heard['diffposetalk/info'](
        info_message(
            LAYOUT, np.zeros(LAYOUT.width, np.float32), stamp=Time(sec=5), frame_id='neck', model='tiny',
            checksum='0' * 64, model_rate=25.0, output_rate=50.0, playout_delay=0.24, style='neutral', style_dim=16,
        )
    )  # fmt: skip
    for index, row in enumerate(ROWS):
        node.heard['face_motion'](
            frame_message(row, LAYOUT, stamp=Time(sec=5), frame_id='neck', index=index, state=2)
        )
    collector.finish()
    assert link.is_symlink() and sorted(tmp_path.iterdir()) == [there.parent, link]
    clip = read_motion_bag(there) if suffix == 'mcap' else load_motion(there)
    np.testing.assert_allclose(clip.values, ROWS, atol=1e-6)
