# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.audio.ring_buffer import AudioRingBuffer
from diffposetalk_ros.errors import AudioError


def ramp(start: int, stop: int) -> np.ndarray:
    return np.arange(start, stop, dtype=np.float32)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 400), max_size=20))
def test_samples_are_found_at_their_absolute_index(sizes):
    ring = AudioRingBuffer(0.1, 1600)
    end = 0
    for size in sizes:
        assert ring.append(ramp(end, end + size)) == end
        end += size
    assert (ring.begin, ring.end) == (max(0, end - 160), end)
    np.testing.assert_array_equal(ring.read(ring.begin, end), ramp(ring.begin, end))


def test_samples_not_held_are_an_error_that_names_the_range():
    ring = AudioRingBuffer(0.1, 1600)
    ring.append(ramp(0, 200))
    for start, stop in ((0, 10), (150, 300), (100, 90)):
        with pytest.raises(AudioError, match=r'40\.\.200'):
            ring.read(start, stop)


def test_a_slow_reader_learns_how_much_it_lost():
    ring = AudioRingBuffer(0.1, 1600)
    ring.append(ramp(0, 200))
    chunk = ring.read_new(0, 10)
    assert (chunk.start, chunk.lost) == (40, 30)
    np.testing.assert_array_equal(chunk.samples, ramp(40, 200))


def test_reset_starts_an_epoch_that_the_reader_sees_from_its_beginning():
    ring = AudioRingBuffer(0.1, 1600)
    ring.append(ramp(0, 50))
    ring.close()
    with pytest.raises(AudioError, match='closed'):
        ring.append(ramp(0, 1))
    assert ring.read_new(0, 50).closed
    assert not ring.read_new(0, 0, limit=20).closed
    assert ring.reset() == 1
    ring.append(ramp(0, 5))
    chunk = ring.read_new(0, 50)
    assert (chunk.epoch, chunk.start, len(chunk.samples), chunk.lost, chunk.closed) == (
        1,
        0,
        5,
        0,
        False,
    )


def test_one_writer_and_one_reader_lose_nothing():
    ring = AudioRingBuffer(10, 16000)
    total = 100_000
    writer = threading.Thread(target=lambda: [ring.append(ramp(i, i + 100)) for i in range(0, total, 100)])
    writer.start()
    got = []
    at = 0
    while at < total:
        chunk = ring.read_new(0, at)
        got.append(chunk.samples)
        at = chunk.start + len(chunk.samples)
    writer.join()
    np.testing.assert_array_equal(np.concatenate(got), ramp(0, total))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=20))
def test_what_nobody_has_read_yet_makes_it_grow_up_to_its_limit(turns):
    ring = AudioRingBuffer(0.1, 1600, most=1.0)
    end = cursor = lost = 0
    for size, read in turns:
        ring.append(ramp(end, end + size))
        end += size
        lost = max(lost, end - 1600 - cursor)
        if read:
            chunk = ring.read_new(0, cursor)
            assert chunk.lost == max(0, lost)
            np.testing.assert_array_equal(chunk.samples, ramp(chunk.start, end))
            cursor, lost = end, 0
    assert ring.capacity <= 1600


def test_without_a_backlog_it_stays_as_it_is():
    ring, cursor = AudioRingBuffer(0.1, 1600, most=1.0), 0
    for begin in range(0, 3200, 100):
        ring.append(ramp(begin, begin + 100))
        cursor = begin + len(ring.read_new(0, cursor).samples)
    assert ring.capacity == 160
