# SPDX-License-Identifier: Apache-2.0
"""ARKit weights as action units."""

from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.action_units import DRIVEN, UNITS, action_units
from diffposetalk_ros.motion.layout import arkit_layout, flame_layout
from diffposetalk_ros.motion.rotation import ros_to_flame

LAYOUT = arkit_layout()


def units(**channels: float) -> np.ndarray:
    row = np.zeros(LAYOUT.width)
    for name, value in channels.items():
        row[LAYOUT.index(name)] = value
    return action_units(row, LAYOUT)


def test_each_shape_drives_its_units_and_no_other() -> None:
    for unit, shapes in UNITS.items():
        for shape in shapes:
            found = units(**{shape: 0.7})
            assert found[unit] == pytest.approx(0.7)
            assert set(np.flatnonzero(found)) <= DRIVEN
    assert not units().any()


def test_lips_part_as_far_as_they_do_not_close_over_the_jaw() -> None:
    assert units(jawOpen=0.6)[[25, 26]] == pytest.approx([0.6, 0.6])
    assert units(jawOpen=0.6, mouthClose=0.5)[25] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ('axis', 'sign', 'unit'), [(2, 1, 51), (2, -1, 52), (1, -1, 53), (1, 1, 54), (0, -1, 55), (0, 1, 56)]
)
def test_head_turns(axis: int, sign: int, unit: int) -> None:
    turn = np.zeros(3)
    turn[axis] = 0.25 * sign
    row = np.zeros((2, LAYOUT.width))
    row[:, LAYOUT.head_rotation] = ros_to_flame(turn)
    found = action_units(row, LAYOUT)
    assert found.shape == (2, 99)
    assert np.flatnonzero(found[0]).tolist() == [unit]
    assert found[0, unit] == pytest.approx(0.5)


def test_flame_motion_has_no_action_units() -> None:
    with pytest.raises(ConfigError, match='not flame'):
        action_units(np.zeros(54), flame_layout())
