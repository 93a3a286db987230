# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.playout.timeline import MotionTimeline


def ramp(start: int, stop: int) -> np.ndarray:
    return np.repeat(np.arange(start, stop, dtype=np.float32)[:, None], 3, axis=1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=20))
def test_final_frames_are_found_by_number_and_look_ahead_is_replaced(hops):
    timeline = MotionTimeline(3)
    end = 0
    for committed, ahead in hops:
        motion = np.concatenate([ramp(end, end + committed), np.full((ahead, 3), -1, np.float32)])
        assert timeline.merge(0, end, motion, committed)
        end += committed
        assert timeline.at(end).first is None
        assert (timeline.at(end, provisional=True).first is not None) == (ahead > 0)
    assert timeline.end == end
    np.testing.assert_array_equal(timeline.read(0, end), ramp(0, end))


def test_a_reader_gets_two_neighbours():
    timeline = MotionTimeline(3)
    timeline.merge(0, 0, ramp(0, 4), 4)
    pair = timeline.at(2)
    assert (pair.first[0], pair.second[0], pair.end, pair.closed) == (2, 3, 4, False)
    assert timeline.at(3).second is None
    timeline.close(0)
    assert timeline.at(3).closed


def test_frames_of_an_older_epoch_change_nothing():
    timeline = MotionTimeline(3)
    timeline.merge(0, 0, ramp(0, 4), 4)
    assert timeline.reset() == 1
    assert not timeline.merge(0, 4, ramp(4, 6), 2)
    timeline.close(0)
    assert (timeline.end, timeline.closed, timeline.epoch) == (0, False, 1)
    assert timeline.merge(1, 0, ramp(0, 1), 1)


def test_gaps_overlaps_and_wrong_shapes_are_errors():
    timeline = MotionTimeline(3)
    timeline.merge(0, 0, ramp(0, 4), 4)
    for start in (3, 5):
        with pytest.raises(MotionError, match='end at 4'):
            timeline.merge(0, start, ramp(0, 1), 1)
    for motion, committed in ((np.zeros((2, 4)), 1), (np.zeros(3), 1), (ramp(4, 5), 2)):
        with pytest.raises(MotionError, match='takes'):
            timeline.merge(0, 4, motion, committed)
    with pytest.raises(MotionError, match=r'0\.\.4'):
        timeline.read(2, 6)


def test_known_frames_are_the_final_ones_and_the_look_ahead():
    timeline = MotionTimeline(3)
    timeline.merge(0, 0, ramp(0, 6), 4)
    for start, most, expected, final in [
        (0, 9, (0, 6), 4),
        (3, 2, (3, 5), 1),
        (5, 9, (5, 6), 0),
        (1, 2, (1, 3), 2),
    ]:
        known = timeline.known(start, most)
        assert (known.start, known.committed, known.end) == (start, final, 4)
        np.testing.assert_array_equal(known.motion, ramp(*expected))
    assert len(timeline.known(7, 9).motion) == 0
    before = timeline.known(0, 9).revision
    timeline.preview(0, ramp(4, 5))
    assert timeline.known(0, 9).revision != before
    np.testing.assert_array_equal(timeline.known(0, 9).motion, ramp(0, 5))
    assert timeline.at(4, provisional=True).waiting
    timeline.preview(0, ramp(4, 6), whole=False)
    assert not timeline.at(4, provisional=True).waiting and timeline.at(4, provisional=True).last == 6


def test_what_was_previewed_stays_until_it_has_been_generated():
    timeline = MotionTimeline(3)
    timeline.merge(0, 0, ramp(0, 3), 2)
    timeline.preview(0, ramp(2, 7))
    for start, last, waiting in [(2, 7, True), (4, 7, True), (6, 9, False)]:
        timeline.merge(0, start, ramp(start, start + 3), 2)
        held = timeline.at(start, provisional=True)
        assert (held.end, held.last, held.waiting) == (start + 2, last, waiting)


def test_played_frames_are_forgotten():
    timeline = MotionTimeline(3, keep=10)
    for i in range(0, 1000, 2):
        timeline.merge(0, i, ramp(i, i + 2), 2)
        pair = timeline.at(i)
        assert pair.first is not None and pair.end - pair.begin <= 12


def test_a_writer_and_a_reader_at_once():
    timeline = MotionTimeline(3)

    def write() -> None:
        for i in range(0, 3000, 3):
            timeline.merge(0, i, ramp(i, i + 4), 3)
        timeline.close(0)

    thread = threading.Thread(target=write)
    thread.start()
    frame = 0
    while frame < 3000:
        pair = timeline.at(frame)
        if pair.first is not None:
            assert pair.first[0] == frame
            frame += 1
    thread.join()
