# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from diffposetalk_ros.audio.sender_clock import SenderClock
from diffposetalk_ros.avatar.audio_intake import IntakeCounters
from diffposetalk_ros.avatar.status import OK, WARN, Trouble, audio_status, format_doubt

CLOCK = SenderClock()


def test_what_is_over_is_no_warning_any_more() -> None:
    trouble, second = Trouble(), 10**9
    assert not trouble.seen(0, 0)
    assert trouble.seen(2, second)
    assert trouble.seen(2, 10 * second)
    assert not trouble.seen(2, 12 * second)
    assert trouble.seen(3, 13 * second)


def test_audio_is_told_by_its_worst() -> None:
    counters = IntakeCounters()
    assert audio_status(counters, CLOCK, age=float('nan')).level == OK, 'nobody has spoken yet'
    assert audio_status(counters, CLOCK, age=0.1, bad_messages=3).level == OK, 'a while ago'
    said = audio_status(counters, CLOCK, age=0.1, bad_messages=3, lost=1.5, troubled=True)
    assert said.level == WARN and '3 messages' in said.message and '1.5 s' in said.message
    assert audio_status(counters, CLOCK, age=0.1, senders=2).message.startswith('2 senders')


def test_sound_that_is_faster_than_its_assumed_format_is_doubted() -> None:
    said = format_doubt(2.0, 'S16LE at 16000 Hz with 1 channel(s)')
    assert '2.0 times as fast' in said and 'audio.rate' in said
    assert (
        not format_doubt(2.0, '')
        and not format_doubt(1.02, 'S16LE')
        and not format_doubt(float('nan'), 'S16LE')
    )
    status = audio_status(IntakeCounters(), CLOCK, age=0.1, doubt=said)
    assert (status.level, status.message) == (WARN, said)


def test_a_clock_is_said_to_be_wrong_only_if_it_is_and_hides_nothing_else() -> None:
    clock = SenderClock()
    clock.offset = -10_000_000
    assert audio_status(IntakeCounters(), clock, age=0.1).message == 'listening'
    clock.offset = -2_000_000_000
    assert audio_status(IntakeCounters(), clock, age=0.1).message.startswith(
        "the sender's clock is 2.00 s ahead"
    )
    assert audio_status(IntakeCounters(), clock, age=0.1, waiting=True).message == 'waiting for a voice'
