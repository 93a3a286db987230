# SPDX-License-Identifier: Apache-2.0
"""Frames by due time: shown, foreseen, replaced, forgotten; never extrapolated."""

from __future__ import annotations

import numpy as np

from diffposetalk_ros.robot.frames import FrameBuffer

MS = 1_000_000


def values(buffer: FrameBuffer, *moments: int) -> list[float]:
    return [float(x) for x in buffer.at(np.array(moments, np.int64) * MS)[:, 0]]


def test_between_frames_linear_outside_the_nearest() -> None:
    buffer = FrameBuffer(1)
    assert buffer.show(100 * MS, [1.0])
    assert values(buffer, 0, 100, 500) == [1.0, 1.0, 1.0]
    buffer.show(120 * MS, [3.0])
    assert values(buffer, 0, 110, 120, 500) == [1.0, 2.0, 3.0, 3.0]


def test_frames_ahead_are_replaced_and_give_way_to_those_shown() -> None:
    buffer = FrameBuffer(1)
    buffer.show(100 * MS, [0.0])
    buffer.foresee(0, 140 * MS, 40 * MS, [[4.0], [8.0], [12.0]])
    assert values(buffer, 120, 140, 200) == [2.0, 4.0, 10.0]
    buffer.foresee(0, 180 * MS, 40 * MS, [[6.0]])
    assert values(buffer, 140, 180, 220) == [4.0, 6.0, 6.0]
    assert buffer.known_until == 180 * MS
    buffer.show(150 * MS, [5.0])
    assert values(buffer, 150, 180) == [5.0, 6.0]


def test_another_epoch_drops_what_was_foreseen() -> None:
    buffer = FrameBuffer(1)
    buffer.show(100 * MS, [0.0])
    buffer.foresee(0, 140 * MS, 40 * MS, [[4.0], [8.0]])
    buffer.foresee(1, 220 * MS, 40 * MS, [[1.0]])
    assert values(buffer, 160) == [0.5]


def test_late_and_broken_frames_are_refused() -> None:
    buffer = FrameBuffer(2)
    assert buffer.show(100 * MS, [0.0, 0.0])
    assert not buffer.show(100 * MS, [1.0, 1.0])
    assert not buffer.show(90 * MS, [1.0, 1.0])
    assert not buffer.show(120 * MS, [np.nan, 1.0])
    buffer.foresee(0, 140 * MS, 40 * MS, [[np.inf, 0.0], [2.0, 2.0]])
    assert buffer.known_until == 180 * MS
    assert values(buffer, 140) == [1.0]


def test_a_clock_set_back_begins_anew() -> None:
    buffer = FrameBuffer(1)
    buffer.show(10_000 * MS, [1.0])
    assert buffer.show(20 * MS, [2.0])
    assert buffer.shown_until == 20 * MS
