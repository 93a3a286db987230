# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from diffposetalk_ros.audio.sender_clock import SenderClock
from diffposetalk_ros.avatar.audio_intake import IntakeCounters
from diffposetalk_ros.avatar.status import OK, WARN, Trouble, audio_status, doubt
from diffposetalk_ros.benchmark.ros.percentiles import percentiles

CLOCK = SenderClock()


def test_percentiles_by_nearest_rank() -> None:
    assert percentiles([]) == (0.0, 0.0, 0.0)
    assert percentiles([3.0]) == (3.0, 3.0, 3.0)
    assert percentiles(list(range(101))) == (50, 95, 99)


def test_what_is_over_is_no_warning_any_more() -> None:
    trouble, second = Trouble(), 10**9
    assert not trouble.seen(0, 0)
    assert trouble.seen(2, second)
    assert trouble.seen(2, 10 * second)
    assert not trouble.seen(2, 12 * second)
    assert trouble.seen(3, 13 * second)


def test_audio_is_told_by_its_worst() -> None:
    counters = IntakeCounters()
    assert audio_status(counters, CLOCK, float('nan'), 0, 0, 0.0, 1, False).level == OK, (
        'nobody has spoken yet'
    )
    assert audio_status(counters, CLOCK, 0.1, 3, 0, 0.0, 1, False).level == OK, 'a while ago'
    said = audio_status(counters, CLOCK, 0.1, 3, 0, 1.5, 1, True)
    assert said.level == WARN and '3 messages' in said.message and '1.5 s' in said.message
    assert audio_status(counters, CLOCK, 0.1, 0, 0, 0.0, 2, False).message.startswith('2 senders')


def test_sound_that_is_faster_than_its_assumed_format_is_doubted() -> None:
    said = doubt(2.0, 'S16LE at 16000 Hz with 1 channel(s)')
    assert '2.0 times as fast' in said and 'audio.rate' in said
    assert not doubt(2.0, '') and not doubt(1.02, 'S16LE') and not doubt(float('nan'), 'S16LE')
    status = audio_status(IntakeCounters(), CLOCK, 0.1, 0, 0, 0.0, 1, False, doubt=said)
    assert (status.level, status.message) == (WARN, said)
