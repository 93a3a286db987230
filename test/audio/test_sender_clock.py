# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.audio.sender_clock import PublisherClock, SenderClock

MS, NS = 1_000_000, 1_000_000_000
T0 = 1000 * NS
CHUNK = 20 * MS


def live(
    clock: SenderClock,
    seconds: float,
    offset: float,
    begin: int = T0,
    drift: float = 0.0,
    late=None,
    begins=True,
) -> list[int]:
    """Live sound whose stamps are ``offset`` s ahead; returns by how much the corrected stamps are off, in ns.

    ``begins``: an utterance begins; otherwise the one before goes on.
    """
    out = []
    for i in range(round(seconds * 50)):
        spoken = begin + i * CHUNK
        stamp = spoken + round(offset * NS) + round(drift * i * CHUNK)
        arrived = spoken + CHUNK + (0 if late is None else int(late[i % len(late)]) * MS)
        clock.observe(stamp, CHUNK, arrived, begins and i == 0)
        out.append(stamp + clock.offset - spoken)
    return out


@pytest.mark.parametrize('behind', [0.04, 0.1, 0.6, 3.0, 4.9, 10.0])
def test_a_clock_that_is_behind_is_known_from_the_first_message(behind: float) -> None:
    assert set(live(SenderClock(), 3.0, -behind)) == {0}


@pytest.mark.parametrize('ahead', [0.04, 0.1, 0.6, 2.0, 4.9, 10.0])
def test_a_clock_that_is_ahead_is_known_within_300_ms(ahead: float) -> None:
    off = live(SenderClock(), 3.0, ahead)
    assert set(off[15:]) == {0} and off[0] > 0


def test_the_same_clock_is_left_alone() -> None:
    for offset in (-0.02, 0.0, 0.02):
        clock = SenderClock()
        live(clock, 3.0, offset)
        assert clock.offset == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=5, max_size=40), st.sampled_from([0.0, -3.0, -0.6]))
def test_late_messages_are_no_clock(late: list[int], offset: float) -> None:
    """Whatever the network does, messages of half a second that come in time tell the clock."""
    clock = SenderClock()
    live(clock, 1.0, offset)
    assert max(map(abs, live(clock, 4.0, offset, T0 + NS, late=np.maximum.accumulate(late)[::-1]))) <= 5 * MS


def test_synthesised_speech_ahead_of_time_is_no_clock() -> None:
    clock = SenderClock()
    for i in range(500):  # 10 s of sound within half a second, each with the time it is to be heard
        assert not clock.observe(T0 + i * CHUNK, CHUNK, T0 + i * MS, i == 0)
    assert clock.offset == 0


@pytest.mark.parametrize('drift', [-200e-6, 200e-6])
def test_drift_is_followed_for_an_hour(drift: float) -> None:
    clock = SenderClock()
    rng = np.random.default_rng(0)
    off = np.array(live(clock, 3600.0, 0.0, drift=drift, late=rng.exponential(8, 997).astype(int)))
    print(
        f'corrected stamps are off by {np.abs(off).max() / MS:.1f} ms at most, drift {1e6 * clock.drift:.0f} ppm'
    )
    assert np.abs(off).max() <= 45 * MS
    assert clock.drift == pytest.approx(-drift, abs=60e-6)
    assert abs(clock.offset / NS + 3600 * drift) < 0.045


@pytest.mark.parametrize('step', [-3.0, -8.0, 3.0])
def test_a_clock_that_is_set_is_followed(step: float) -> None:
    clock = SenderClock()
    live(clock, 2.0, 0.0)
    off = live(clock, 3.0, step, T0 + 2 * NS)
    assert set(off[30:]) == {0}


@pytest.mark.parametrize('step', [-0.6, -0.9, -2.0])
def test_a_clock_that_is_set_back_while_somebody_speaks_is_followed_at_once(step: float) -> None:
    clock = SenderClock()
    live(clock, 2.0, 0.0)
    assert set(live(clock, 3.0, step, T0 + 2 * NS, begins=False)) == {0}


@pytest.mark.parametrize('step', [-0.15, -0.3, -0.45])
def test_a_clock_that_is_set_back_a_little_is_known_from_the_next_utterance_on(step: float) -> None:
    clock = SenderClock()
    live(clock, 2.0, 0.0)
    live(clock, 3.0, step, T0 + 2 * NS, begins=False)
    assert set(live(clock, 1.0, step, T0 + 7 * NS)) == {0}


@pytest.mark.parametrize('late', [0.6, 0.9])
def test_a_replay_that_was_paused_is_followed_within_600_ms(late: float) -> None:
    clock = SenderClock()
    live(clock, 5, offset=0)
    off = live(clock, 5, offset=-late, begin=T0 + round((5 + late) * NS), begins=False)
    assert max(map(abs, off[30:])) <= 30 * MS


def test_what_the_presentation_can_wait_for_is_no_clock() -> None:
    clock = SenderClock()
    clock.most_late = 800 * MS
    live(clock, 5, offset=0)
    live(clock, 5, offset=-0.7, begin=T0 + 5 * NS + 700 * MS, begins=False)
    assert not clock.offset


def test_a_clock_that_was_ahead_and_is_corrected() -> None:
    clock = SenderClock()
    live(clock, 0.5, 3.0)
    assert set(live(clock, 2.0, 0.0, T0 + NS // 2)) == {0}


def burst(clock: SenderClock, ahead: float) -> set[int]:
    """Four seconds of sound sent within a tenth, in order from now on by a clock that is ``ahead`` s; the offsets."""
    out = set()
    for i in range(200):
        clock.observe(T0 + round(ahead * NS) + i * CHUNK, CHUNK, T0 + i * MS // 2, i == 0)
        out.add(clock.offset)
    return out


@pytest.mark.parametrize('ahead', [0.6, 4.9, 10.0])
def test_a_burst_from_a_machine_whose_clock_is_ahead_is_not_late(ahead: float) -> None:
    clock, publisher = SenderClock(), PublisherClock()
    publisher.sent(T0 + round(ahead * NS), T0)
    clock.expect(publisher.ahead, 0)
    assert burst(clock, ahead) == {-round(ahead * NS)}
    publisher.sent(T0 + round(ahead * NS) + 2 * MS, T0 + MS)  # this one travelled faster: the same clock
    clock.expect(publisher.ahead, 0)
    assert clock.offset == -round(ahead * NS)
    # A burst in good time from a machine of the same clock remains what it is.
    assert burst(SenderClock(), 0.0) == {0}


def test_stamps_of_a_third_machine_are_not_taken_for_those_of_the_publisher() -> None:
    """The publisher, whose clock is 3 s ahead, passes on sound that a machine with the right time has stamped."""
    clock = SenderClock()
    clock.expect(3 * NS, 0)
    assert set(live(clock, 2.0, 0.0)) == {0}
    clock.expect(3 * NS, 0)
    assert clock.offset == 0


def test_one_stamp_for_a_whole_sentence_is_no_clock() -> None:
    clock = SenderClock()
    for i in range(200):
        clock.observe(T0, CHUNK, T0 + (i + 1) * CHUNK, i == 0)
    assert clock.offset == 0


@pytest.mark.parametrize('offset', [-10.0, -0.3, 0.0, 0.3, 10.0])
@pytest.mark.parametrize('drift', [-2e-4, 0.0, 2e-4])
def test_messages_that_are_read_at_once_were_sent_just_now(offset: float, drift: float) -> None:
    clock = PublisherClock()
    for i in range(0, 3600 * 50, 7):
        now = T0 + i * CHUNK
        stamp = now + round(offset * NS) + round(drift * i * CHUNK)
        assert abs(clock.sent(stamp, now) - now) <= 10 * MS  # what 200 ppm make of half a minute: 6 ms


def test_messages_that_waited_in_a_queue_were_sent_when_they_were() -> None:
    """Ten minutes of speech, sent within 12 s by a clock that is 3 s behind; reading them takes two minutes."""
    clock = PublisherClock()
    for k in range(30_000):
        sent, read = T0 + k * NS * 12 // 30_000, T0 + k * NS // 250
        assert clock.sent(sent - 3 * NS, read) == pytest.approx(sent, abs=NS // 5)


@pytest.mark.parametrize('step', [-5.0, 5.0])
def test_a_publishers_clock_that_was_set_is_followed_within_half_a_minute(step: float) -> None:
    clock = PublisherClock()
    for i in range(60 * 50):
        now = T0 + i * CHUNK
        sent = clock.sent(now + round(step * NS) * (i > 500), now)
    assert sent == now


@pytest.mark.parametrize('speed', [1.05, 1.1, 1.3])
def test_speech_that_is_synthesised_a_little_faster_than_real_time_is_no_clock(speed: float) -> None:
    clock = SenderClock()
    for i in range(500):
        moved = clock.observe(T0 + i * CHUNK, CHUNK, T0 + round(i * CHUNK / speed), i == 0)
        assert moved == 0


@pytest.mark.parametrize('step', [0.6, 1.0, 5.0, 3600.0, -1.0, -5.0])
@pytest.mark.parametrize('live', [False, True])
def test_a_publisher_whose_clock_was_set_in_a_pause_is_followed_at_once(step: float, live: bool) -> None:
    """Sentences in one message each, or messages of 20 ms."""
    clock, sender = PublisherClock(), SenderClock()
    for i in range(10):
        for k in range(50 if live else 1):
            now = T0 + 3 * i * NS + k * CHUNK
            back = round(step * NS) * (i > 4)
            sent = clock.sent(now - MS - back, now)
            assert sent == pytest.approx(now, abs=10 * MS)
            sender.expect(clock.ahead, clock.step)
            if live:
                sender.observe(now - CHUNK - back, CHUNK, sent, k == 0)
                assert sender.offset - back == pytest.approx(0, abs=10 * MS)


def test_what_the_network_held_back_is_no_clock_that_was_set() -> None:
    clock = PublisherClock()
    for i in range(500):
        sent = T0 + i * CHUNK
        now = max(sent, T0 + 6 * NS) if i >= 200 else sent
        assert clock.sent(sent - 3 * NS, now) == pytest.approx(sent, abs=10 * MS)


@pytest.mark.parametrize('speed', [1.2, 2.0, 5.0])
@pytest.mark.parametrize('length', [100 * MS, 300 * MS])
def test_synthesised_pieces_stamped_when_they_were_sent_are_no_clock(speed: float, length: int) -> None:
    """Their ages are always the same, as if a live source were ahead by the length of a piece."""
    clock, now = SenderClock(), T0
    for sentence in range(3):
        for i in range(30):
            assert not clock.observe(now, length, now, i == 0 == sentence)
            now += round(length / speed)
        now += NS * 3 // 10
    assert clock.offset == 0


def test_a_sentence_that_is_still_to_be_heard_does_not_make_the_pieces_after_it_late() -> None:
    clock = SenderClock()
    clock.observe(T0, 2 * NS, T0, True)
    for i in range(3, 20):
        clock.observe(T0 + i * 100 * MS, 100 * MS, T0 + i * 100 * MS, False)
    assert clock.offset == -100 * MS, 'the age of the pieces, which come in real time'


@pytest.mark.parametrize('speed', [1.3, 1.6])
@pytest.mark.parametrize('last', [0.1, 0.212, 0.299])
def test_the_short_last_piece_of_synthesised_speech_is_no_sign_of_a_live_source(
    speed: float, last: float
) -> None:
    clock = SenderClock()
    for i, seconds in enumerate([0.3] * 5 + [last]):
        begin = round(i * 0.3 * NS)
        assert not clock.observe(T0 + begin, round(seconds * NS), T0 + round(begin / speed), i == 0)
    assert clock.offset == 0
