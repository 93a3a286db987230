# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.audio.sample_clock import Append, Drop, Reset, SampleClock, Silence

RATE = 16000
MS = 1_000_000
T0 = 1_700_000_000_000 * MS
CHUNK = 320  # 20 ms


def speech(index: int, size: int = CHUNK) -> np.ndarray:
    return np.random.default_rng(index).uniform(-1, 1, size).astype('f4')


def kinds(actions: list) -> list[str]:
    return [type(action).__name__ for action in actions]


def joined(actions: list) -> np.ndarray:
    parts = [
        a.samples if isinstance(a, Append) else np.zeros(a.count)
        for a in actions
        if hasattr(a, 'samples') or isinstance(a, Silence)
    ]
    return np.concatenate(parts)


def feed(clock: SampleClock, order: list[tuple[int, int]], jitter: int = 0) -> list:
    """(index of chunk, stamp offset in ms) in order of arrival -> all actions."""
    actions = []
    for index, offset in order:
        stamp = T0 + (20 * index + offset) * MS
        actions += clock.observe(stamp, speech(index), stamp + 5 * MS)
    return actions + clock.flush()


def test_steady_chunks_are_appended_and_the_first_one_starts_the_stream():
    clock = SampleClock(RATE)
    actions = feed(clock, [(i, 0) for i in range(5)])
    assert kinds(actions) == ['Reset'] + ['Append'] * 5
    assert clock.samples == 5 * CHUNK
    assert clock.time_of(0.05) == T0 + 50 * MS


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-9, 9), min_size=5, max_size=60))
def test_noisy_stamps_neither_lose_nor_add_samples(noise):
    clock = SampleClock(RATE)
    actions = feed(clock, list(enumerate([0, *noise])))
    assert clock.samples == (len(noise) + 1) * CHUNK
    assert {'Reset', 'Append'} == set(kinds(actions))
    assert abs(clock.time_of(0) - T0) < 10 * MS


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(1, 38), max_size=20))
def test_lost_chunks_become_silence_at_their_place(lost):
    actions = feed(SampleClock(RATE), [(i, 0) for i in range(40) if i not in lost])
    expected = np.concatenate([np.zeros(CHUNK) if i in lost else speech(i) for i in range(40)])
    np.testing.assert_array_equal(joined(actions), expected)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=10, max_size=30))
def test_neighbours_that_changed_places_are_put_in_order(swaps):
    order = list(range(len(swaps) + 1))
    i = 1
    while i < len(order) - 1:
        if swaps[i]:
            order[i], order[i + 1] = order[i + 1], order[i]
            i += 1
        i += 1
    actions = feed(SampleClock(RATE), [(i, 0) for i in order])
    np.testing.assert_array_equal(joined(actions), np.concatenate([speech(i) for i in range(len(order))]))


@pytest.mark.parametrize(
    ('pause', 'expected'), [(0.3, 'Silence'), (0.55, 'Silence'), (0.7, 'Reset'), (0.95, 'Reset')]
)
def test_a_sentence_after_a_pause_waits_for_no_earlier_one(pause, expected):
    """One message holds the sentence, and the pause has no room for another of that length."""
    clock = SampleClock(RATE)
    clock.observe(T0, speech(0, 2 * RATE), T0)
    begin = T0 + round((2.0 + pause) * 1000) * MS
    assert kinds(clock.observe(begin, speech(1, 3 * RATE), begin)) == [expected, 'Append']
    assert not clock.holds_back


def test_duplicates_are_dropped():
    actions = feed(SampleClock(RATE), [(0, 0), (1, 0), (1, 0), (0, 0), (2, 0)])
    assert kinds(actions) == ['Reset', 'Append', 'Append', 'Drop', 'Drop', 'Append']


def test_pauses_that_share_a_stamp_are_no_duplicates():
    clock = SampleClock(RATE)
    actions = []
    for part in (speech(0), *[np.zeros(CHUNK, np.float32)] * 4, speech(1)):
        actions += clock.observe(T0, part, T0)
    assert clock.samples == 6 * CHUNK and 'Drop' not in kinds(actions)


def test_overlapping_audio_is_trimmed():
    clock = SampleClock(RATE)
    whole = speech(0, 1600)
    out = clock.observe(T0, whole[:960], T0)
    out += clock.observe(T0 + 30 * MS, whole[480:1440], T0 + 30 * MS)
    assert out[-2] == Drop(480, 'overlap')
    np.testing.assert_array_equal(joined(out), whole[:1440])


def test_a_burst_keeps_every_sample_and_the_time_of_the_first():
    clock = SampleClock(RATE)
    actions = []
    for i in range(50):  # 10 s of speech within 50 ms
        now = T0 + i * MS
        actions += clock.observe(now, speech(i, 3200), now)
    assert clock.samples == 50 * 3200
    assert clock.time_of(0) == pytest.approx(T0, abs=MS)
    assert set(kinds(actions)) == {'Reset', 'Append'}


def test_a_burst_with_one_stamp_for_all_chunks_keeps_every_sample():
    clock = SampleClock(RATE)
    for i in range(20):
        clock.observe(T0, speech(i), T0 + i * MS)
    assert clock.samples == 20 * CHUNK


def test_missing_stamps_are_replaced_by_the_time_of_arrival():
    clock = SampleClock(RATE)
    jitter = [0, 30, -15, 60, 0, 10]
    for i, late in enumerate(jitter):
        clock.observe(0, speech(i), T0 + (20 * i + late) * MS)
    assert clock.samples == len(jitter) * CHUNK
    actions = clock.observe(0, speech(9), T0 + 520 * MS)  # a pause of 0.4 s
    assert kinds(actions) == ['Silence', 'Append']
    assert abs(clock.samples / RATE - 0.54) < 0.01


def test_stamps_of_another_clock_are_not_used():
    clock = SampleClock(RATE)
    for i in range(5):
        clock.observe(T0 + (3_600_000 + 20 * i) * MS, speech(i), T0 + 20 * i * MS)
    assert abs(clock.time_of(0) - T0) < MS


@pytest.mark.parametrize('gap', [1.5, 100.0])
def test_a_long_gap_starts_a_new_utterance(gap):
    clock = SampleClock(RATE)
    clock.observe(T0, speech(0), T0)
    later = T0 + int(gap * 1e9)
    actions = clock.observe(later, speech(1), later)
    assert kinds(actions) == ['Reset', 'Append']
    assert not actions[0].reason, 'an ordinary pause'
    assert (clock.samples, clock.time_of(0)) == (CHUNK, later)


@pytest.mark.parametrize('pause', [0.7, 2.0])
def test_a_pause_in_a_burst_belongs_to_it(pause: float) -> None:
    clock = SampleClock(RATE)
    clock.observe(T0, speech(0, RATE), T0)
    actions = clock.observe(T0 + round((1 + pause) * 1000) * MS, speech(1, RATE), T0 + 10 * MS)
    assert kinds(actions) == ['Silence', 'Append'] and actions[0].count == round(pause * RATE)


def test_a_clock_that_jumps_backwards_starts_a_new_utterance():
    clock = SampleClock(RATE)
    feed(clock, [(i, 0) for i in range(5)])
    back = T0 - 60_000 * MS
    actions = clock.observe(back, speech(9), back)
    assert kinds(actions) == ['Reset', 'Append']
    assert clock.time_of(0) == back


@pytest.mark.parametrize('ppm', [-200, 200])
def test_drift_of_the_sound_card_is_followed(ppm):
    clock = SampleClock(RATE)
    rng = np.random.default_rng(0)
    worst = 0.0
    for i in range(15000):  # five minutes
        stamp = T0 + int(i * 20 * MS * (1 + ppm * 1e-6))
        noisy = stamp + int(rng.normal(0, 2 * MS))
        clock.observe(noisy, np.full(CHUNK, i, np.float32), stamp + 5 * MS)
        worst = max(worst, abs(clock.time_of(i * 0.02) - stamp) / MS)
    assert clock.samples == 15000 * CHUNK
    assert worst < 4.0  # 60 ms without discipline


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**62), st.integers(0, 500), st.integers(0, 2**62)), max_size=30))
def test_absurd_stamps_never_break_the_count(messages):
    clock = SampleClock(RATE)
    count = 0
    for stamp, size, now in messages:
        for action in clock.observe(stamp, np.ones(size, np.float32), now):
            if isinstance(action, Reset):
                count = 0
            elif isinstance(action, Append):
                count += len(action.samples)
            elif isinstance(action, Silence):
                assert 0 < action.count <= RATE * 5.7, 'as far as stamps may be ahead, and the longest gap'
                count += action.count
        assert clock.samples == count


def test_live_messages_of_changing_length_need_no_stamp():
    clock, now, actions = SampleClock(RATE), T0, []
    for i, length in enumerate([320, 6000, 1, 7000, 320]):
        now += length * 1000 * MS // RATE
        actions += clock.observe(0, speech(i, length), now)
    assert kinds(actions) == ['Reset'] + ['Append'] * 5
    assert clock.origin == pytest.approx(T0 + 20 * MS, abs=5 * MS), 'the arrival of the first'


@pytest.mark.parametrize('first, second', [(2.0, 1.0), (2.0, 0.3), (1.0, 3.0)])
def test_a_sentence_that_comes_in_time_follows_without_a_pause_whatever_its_length(first, second):
    clock = SampleClock(RATE)
    clock.observe(0, speech(0, round(first * RATE)), T0)
    actions = clock.observe(0, speech(1, round(second * RATE)), T0 + round((first - 0.05) * 1000) * MS)
    assert kinds(actions) == ['Append'] and clock.chunk_offset_ns == round(first * 1000) * MS


@pytest.mark.parametrize('pause', [0.3, 0.5])
def test_the_pause_before_a_sentence_is_kept_after_a_short_word(pause):
    clock = SampleClock(RATE)
    clock.observe(0, speech(0, round(0.37 * RATE)), T0)
    actions = clock.observe(0, speech(1, 3 * RATE), T0 + round((0.37 + pause) * 1000) * MS)
    assert kinds(actions) == ['Silence', 'Append'] and actions[0].count == round(pause * RATE)


@pytest.mark.parametrize('gap', [-60, -10, 10, 65, 95])
def test_the_place_of_a_message_is_its_place_in_the_stream_whatever_its_stamp(gap):
    clock = SampleClock(RATE)
    clock.observe(T0, speech(0, RATE), T0)
    actions = clock.observe(T0 + (1000 + gap) * MS, speech(1, RATE), T0 + 1000 * MS)
    assert kinds(actions) == ['Append'] and clock.chunk_offset_ns == 1000 * MS


def test_what_comes_after_a_pause_waits_for_no_earlier_message():
    clock, size = SampleClock(RATE), RATE // 4
    clock.observe(T0, speech(0, size), T0)
    assert kinds(clock.observe(T0 + 700 * MS, speech(1, size), T0 + 700 * MS)) == ['Silence', 'Append']
    assert kinds(clock.observe(T0 + 1200 * MS, speech(3, size), T0 + 1200 * MS)) == [], 'one was overtaken'


def test_where_a_message_lies_is_told_by_the_samples_before_it():
    clock = SampleClock(RATE)
    for i in range(3):
        clock.observe(T0 + i * 20 * MS, speech(i), T0)
        assert clock.chunk_offset_ns == i * 20 * MS
    clock.observe(0, speech(3), T0)
    assert clock.chunk_offset_ns == 60 * MS
    clock.reset()
    clock.observe(0, speech(0), T0)
    clock.observe(0, speech(1), T0)
    assert clock.chunk_offset_ns == 20 * MS


def test_stamps_that_do_not_advance_with_the_sound_tell_no_time():
    clock = SampleClock(RATE)
    for i in range(3):
        clock.observe(T0, speech(i), T0)
    assert clock.chunk_offset_ns == 40 * MS


def test_a_word_is_told_from_a_piece_of_a_stream() -> None:
    clock = SampleClock(RATE)

    def is_piece(seconds: float) -> bool:
        clock.observe(0, np.full(round(RATE * seconds), 0.1, np.float32), T0)
        return clock.is_piece

    assert [is_piece(s) for s in (0.25, 0.25, 0.3, 0.24)] == [True] * 4, 'about as long as the one before'
    assert [is_piece(s) for s in (0.4, 0.15, 0.3, 0.8, 0.8)] == [False] * 5, 'words and sentences'
    assert [is_piece(s) for s in (0.02, 0.09, 0.01)] == [True] * 3, 'shorter than a word'


@pytest.mark.parametrize('begin', [500, 1500, 1980])
def test_a_sentence_sent_while_the_one_before_is_still_to_be_heard_is_not_too_late(begin: int) -> None:
    """Each message of the first has the time it is to be heard for its stamp, up to 2 s."""
    clock, actions = SampleClock(RATE), []
    for i in range(100):
        clock.observe(T0 + 20 * i * MS, speech(i), T0)
    for i in range(10):
        now = T0 + (begin + i) * MS
        actions += clock.observe(now, speech(100 + i), now)
    assert kinds(actions) == ['Append'] * 10 and clock.samples == 110 * CHUNK


def test_no_stamp_is_too_late_after_a_message_without_one() -> None:
    clock = SampleClock(RATE)
    clock.observe(0, speech(0, RATE // 2), T0)
    assert kinds(clock.observe(T0 - 300 * MS, speech(1), T0 + 10 * MS)) == ['Append']


def test_what_comes_after_the_sound_that_follows_it_is_too_late() -> None:
    clock = SampleClock(RATE)
    for index in (0, 3, 4, 5):
        clock.observe(T0 + 20 * index * MS, speech(index), T0 + (20 * index + 25) * MS)
    late = clock.observe(T0 + 20 * MS, speech(1), T0 + 126 * MS)
    assert late == [Drop(CHUNK, 'too late')]
