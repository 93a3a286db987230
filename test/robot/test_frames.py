# SPDX-License-Identifier: Apache-2.0
"""Frames by due time: shown, foreseen, replaced, forgotten; never extrapolated."""

from __future__ import annotations

import numpy as np
import pytest

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


def test_in_the_middle_of_speech_frames_ahead_are_what_follows() -> None:
    buffer = FrameBuffer(1)
    buffer.foresee(0, 40 * MS, 40 * MS, [[-1.0], [1.0], [3.0], [5.0], [7.0]])
    buffer.show(100 * MS, [2.0])
    assert values(buffer, 100, 110, 140, 500) == pytest.approx([2.0, 2.5, 4.0, 7.0])
    assert buffer.known_until == 200 * MS
    buffer.show(120 * MS, [3.0])
    assert values(buffer, 110, 140) == pytest.approx([2.5, 4.0])


def test_frames_ahead_turn_no_corners() -> None:
    buffer = FrameBuffer(1)
    rows = np.random.default_rng(0).normal(size=(10, 1))
    buffer.foresee(0, 0, 40 * MS, rows)
    buffer.show(0, rows[0])
    np.testing.assert_allclose(values(buffer, *range(40, 400, 40)), rows[1:, 0])
    path = np.array(values(buffer, *range(1, 360)))
    speed = np.diff(path)
    assert np.abs(np.diff(speed)).max() < 0.1 * np.abs(speed).max()


def test_fading_into_and_out_of_speech_leaves_no_jump() -> None:
    buffer = FrameBuffer(1)
    buffer.foresee(0, 140 * MS, 40 * MS, [[4.0], [8.0]])
    buffer.show(100 * MS, [0.0])
    assert values(buffer, 120, 160, 180) == [0.0, 2.0, 4.0]
    buffer.show(160 * MS, [1.0])  # the face is on its way to the 6 that was foretold
    assert values(buffer, 160, 180, 200) == [1.0, 3.0, 3.0]
    buffer.show(200 * MS, [5.0])  # and past the last word
    assert values(buffer, 200, 300) == [5.0, 5.0]
    assert buffer.known_until == 200 * MS


def test_frames_ahead_are_replaced_from_the_first_of_the_new_ones() -> None:
    buffer = FrameBuffer(1)
    buffer.show(100 * MS, [0.0])
    buffer.foresee(0, 100 * MS, 40 * MS, [[0.0], [4.0], [8.0], [12.0]])
    buffer.foresee(0, 180 * MS, 40 * MS, [[6.0]])
    assert values(buffer, 140, 180, 220) == [4.0, 6.0, 6.0]
    assert buffer.known_until == 180 * MS


def test_another_epoch_drops_what_was_foreseen() -> None:
    buffer = FrameBuffer(1)
    buffer.show(100 * MS, [0.0])
    buffer.foresee(0, 100 * MS, 40 * MS, [[0.0], [4.0], [8.0]])
    buffer.foresee(1, 100 * MS, 40 * MS, [])
    assert values(buffer, 160) == [0.0] and buffer.known_until == 100 * MS


def test_late_and_broken_frames_are_refused() -> None:
    buffer = FrameBuffer(2)
    assert buffer.show(100 * MS, [0.0, 0.0])
    assert not buffer.show(100 * MS, [1.0, 1.0])
    assert not buffer.show(90 * MS, [1.0, 1.0])
    assert not buffer.show(120 * MS, [np.nan, 1.0])
    buffer.foresee(0, 100 * MS, 40 * MS, [[0.0, 0.0], [np.inf, 0.0], [2.0, 2.0]])
    assert buffer.known_until == 180 * MS
    assert values(buffer, 140) == [1.0]


def test_a_clock_set_back_begins_anew() -> None:
    buffer = FrameBuffer(1)
    buffer.show(10_000 * MS, [1.0])
    assert buffer.show(20 * MS, [2.0])
    assert buffer.shown_until == 20 * MS


def test_minutes_ahead_are_held() -> None:
    buffer = FrameBuffer(1)
    buffer.show(0, [0.0])
    buffer.foresee(0, 0, 40 * MS, np.arange(15_000.0)[:, None])
    assert values(buffer, 60, 400_000) == pytest.approx([1.5, 10_000.0])
    buffer.show(400_000 * MS, [10_000.0])
    assert values(buffer, 400_020) == pytest.approx([10_000.5])
