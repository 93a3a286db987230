# SPDX-License-Identifier: Apache-2.0
"""The tables of bench-robot say what was done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('ruckig')

from diffposetalk_ros.benchmark.robot import (  # noqa: E402
    closure_row,
    closure_table,
    rest_table,
    speed_table,
)
from diffposetalk_ros.motion.layout import arkit_layout  # noqa: E402
from diffposetalk_ros.motion.motion_clip import MotionClip  # noqa: E402
from diffposetalk_ros.robot.closed_loop import Recording  # noqa: E402
from diffposetalk_ros.robot.joint_map_file import load_joint_map  # noqa: E402

EXAMPLE = load_joint_map(Path(__file__).parents[2] / 'config' / 'joint_map.yaml')


def test_speed_names_what_was_timed() -> None:
    table = speed_table(EXAMPLE, 0.0)
    assert [str(row[0]).split(' (')[0] for row in table.rows] == [
        'map, one frame',
        'limits, one command',
        'map, one frame',
        'limits, one command',
        'trajectory, 150 ms and the way to rest',
    ]
    assert all(float(cell or 0) > 0 for row in table.rows for cell in row[1:])


def test_a_jaw_that_closes_late_is_called_late() -> None:
    time = np.arange(0, 6, 0.005)
    wanted, late = (1 - np.cos(2 * np.pi * (time - delay)) for delay in (0.0, 0.05))
    recording = Recording(('jaw',), time, wanted[:, None], late[:, None])
    row = closure_row('a run', recording, np.array([1.0, 2.0, 3.5]), 4)
    assert row == ('a run', 50, '2 of 3', 50, 4)
    assert '| a run | 50 | 2 of 3 | 50 | 4 |' in closure_table([row], 'A note.').markdown()


def test_the_way_to_rest_is_within_the_caps() -> None:
    layout = arkit_layout()
    values = np.zeros((75, layout.width), np.float32)
    values[:, layout.index('jawOpen')] = 0.5 - 0.5 * np.cos(np.arange(75))
    table = rest_table(MotionClip(values, 25.0, layout), EXAMPLE, 3)
    rows = {str(name): float(value or 0) for name, value in table.rows}
    assert 150 <= rows['time until every joint rests, longest [ms]'] <= 500
    assert 0 < rows['largest speed, as a share of its cap'] <= 1
    assert 0 < rows['largest acceleration, as a share of its cap'] <= 1
