# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffposetalk_ros.playout.start_delay import StartDelay

MS = 1_000_000
T0 = 10**12
LONGEST, LEAST = 235 * MS, 50 * MS
TICK = 20 * MS


def shown(messages: list[tuple[int, int]], ready: int, origin: int = 0) -> int:
    """Delay of an utterance: (time of arrival, length) of its messages; frame 0 is there at ``ready``, and the
    stamps say that the sound begins at ``origin``; all after T0."""
    delay = StartDelay(LONGEST, LEAST)
    delay.begin(T0 + origin, T0)
    received, waiting = 0, list(messages)
    for now in range(0, 400 * MS, MS):
        while waiting and waiting[0][0] <= now:
            newest = waiting.pop(0)[1]
            received += newest
            delay.heard(received, newest)
        if now % TICK == 0:
            before = delay.delay
            assert delay.settle(T0 + now, now >= ready) == (delay.delay < before)
            assert delay.delay == before or before > now - origin, 'what is shown already is not moved'
    return delay.delay


def burst(length: int, gap: int = 1) -> list[tuple[int, int]]:
    return [(i * gap * MS, length * MS) for i in range(100)]


def test_a_burst_is_shown_as_soon_as_its_first_frame_is_there():
    assert shown(burst(20), ready=33 * MS) == LEAST
    assert shown(burst(20), ready=70 * MS) == 80 * MS, 'at the next frame published'
    assert shown([(0, 3000 * MS)], ready=33 * MS) == LEAST, 'one message with the whole sentence'


@pytest.mark.parametrize('length', [1, 20, 100, 400])
def test_a_live_source_keeps_the_whole_delay_whatever_its_messages(length):
    live = [(i * length * MS, length * MS) for i in range(300 // length + 1)]
    assert shown(live, ready=0) == LONGEST


def test_twice_real_time_gains_what_it_is_ahead():
    assert LEAST < shown(burst(20, gap=10), ready=0) < LONGEST


@pytest.mark.parametrize('ahead', [-300, 300])
def test_a_live_source_whose_clock_is_wrong_keeps_the_delay(ahead):
    assert shown([(i * 20 * MS, 20 * MS) for i in range(30)], ready=0, origin=ahead * MS) == LONGEST


def test_a_burst_that_is_to_be_heard_later_is_shown_then():
    assert shown(burst(20), ready=40 * MS, origin=200 * MS) == LEAST


def test_frames_that_come_too_late_change_nothing():
    assert shown(burst(20), ready=300 * MS) == LONGEST


def test_the_least_delay_may_be_the_longest():
    delay = StartDelay(LONGEST, 10 * LONGEST)
    delay.begin(T0, T0)
    delay.heard(10**10, 20 * MS)
    assert not delay.settle(T0 + TICK, True)
    assert delay.delay == LONGEST


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 600)), max_size=30), st.integers(0, 400))
def test_whatever_comes_the_delay_stays_between_its_bounds(steps, ready):
    at, messages = 0, []
    for wait, length in steps:
        at += wait * MS
        messages.append((at, length * MS))
    assert LEAST <= shown(messages, ready * MS) <= LONGEST
