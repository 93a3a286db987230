# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.audio.chunk import AudioChunk
from diffposetalk_ros.audio.formats.pcm import MonoAudio
from diffposetalk_ros.avatar.barge_in import InterruptHold

MS, NS = 1_000_000, 1_000_000_000
START = 1000 * NS


def chunk(stamp: int | None = None, rate: int = 16000, count: int = 320, level: float = 0.1) -> AudioChunk:
    return AudioChunk(MonoAudio(np.full(count, level, np.float32)), rate, stamp)


def talking(hold: InterruptHold, count: int, begin: int = START, stamped: bool = False) -> list[bool]:
    times = [begin + i * 20 * MS for i in range(count)]
    return [hold.passes(chunk(at if stamped else None), at + 20 * MS) for at in times]


@pytest.mark.parametrize('stamped', [True, False])
def test_the_rest_of_the_utterance_is_not_spoken(stamped: bool) -> None:
    hold = InterruptHold(0.3)
    assert all(talking(hold, 50, stamped=stamped))
    hold.begin()
    assert not any(talking(hold, 100, START + NS, stamped)) and hold.held == pytest.approx(2.0)
    assert all(talking(hold, 50, START + 3 * NS + 400 * MS, stamped)), 'after a pause'


def test_what_begins_after_a_burst_is_spoken_at_once() -> None:
    hold = InterruptHold(0.3)
    talking(hold, 50)
    hold.begin()
    assert hold.passes(chunk(), START + 2 * NS)
    fresh = InterruptHold(0.3)
    fresh.begin()
    assert fresh.passes(chunk(), START), 'nobody had spoken'


def test_a_new_stream_or_a_release_ends_it() -> None:
    for new in (chunk(START + 5 * NS), chunk(rate=22050), chunk(START - 5 * NS)):
        hold = InterruptHold(0.3)
        talking(hold, 50, stamped=True)
        hold.begin()
        assert not hold.passes(chunk(START + NS), START + NS + 20 * MS)
        assert hold.passes(new, START + NS + 40 * MS)
    hold = InterruptHold(0.3)
    talking(hold, 50)
    hold.begin()
    hold.release()
    assert hold.passes(chunk(), START + NS + 20 * MS)


def test_without_a_hold_the_next_message_is_spoken() -> None:
    hold = InterruptHold(0.0)
    talking(hold, 50)
    hold.begin()
    assert hold.passes(chunk(), START + NS + 20 * MS)


def test_long_messages_are_no_pause() -> None:
    hold = InterruptHold(0.3)
    for i in range(5):
        hold.passes(chunk(count=8000), START + i * NS // 2)
    hold.begin()
    assert not hold.passes(chunk(count=8000), START + 5 * NS // 2)


@pytest.mark.parametrize('stamped', [False, True])
def test_the_answer_to_an_interrupt_is_spoken_though_it_is_one_long_message(stamped: bool) -> None:
    hold = InterruptHold(0.3)
    assert hold.passes(chunk(START if stamped else None, count=160000), START)
    hold.begin()
    at = START + 2 * NS
    assert hold.passes(chunk(at if stamped else None, count=80000), at), 'the sender paused for 2 s'
    assert hold.held == 0.0 and not hold.holding
    hold.begin()
    rest = at + 5 * NS if stamped else None
    assert not hold.passes(chunk(rest, count=80000), at + NS // 2), 'the rest of what was interrupted'


def test_a_sender_that_never_pauses_is_heard_again_after_a_second_of_silence() -> None:
    hold = InterruptHold(0.3)
    talking(hold, 50)
    hold.begin()
    at, passed = START + NS, []
    for level in [0.1] * 50 + [0.001] * 30 + [0.1] * 20 + [0.001] * 80:
        passed.append(hold.passes(chunk(level=level), at))
        at += 20 * MS
    assert passed.index(True) == 150, (
        'a second into the silence that lasts; the shorter one is part of the speech'
    )
    assert all(passed[150:])
    hold.begin()
    assert not any(hold.passes(chunk(level=0.0), at) for _ in range(200)), 'a pause within a burst'
