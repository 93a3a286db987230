# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from diffposetalk_ros.playout.delayed_audio import AudioPiece, DelayedAudio
from diffposetalk_ros.playout.presentation_clock import PresentationClock

MS = 1_000_000


def clock_at(start: int, epoch: int = 1) -> PresentationClock:
    clock = PresentationClock(epoch, start)
    clock.run(start, 0)
    return clock


def piece(place: int, message: object, quiet: bool = False) -> AudioPiece:
    return AudioPiece(place * MS, 20 * MS, quiet, message)


def test_messages_wait_for_their_place_even_when_the_start_moves() -> None:
    audio, clock = DelayedAudio(), clock_at(1000 * MS)
    for place in (0, 20, 40):
        audio.add(clock, piece(place, f'at {place}'))
    assert not audio.due(999 * MS) and audio.next == 1000 * MS
    clock.delay = -500 * MS
    assert audio.next == 500 * MS
    assert audio.due(525 * MS) == [(500 * MS, 'at 0'), (520 * MS, 'at 20')]
    assert audio.due(540 * MS) == [(540 * MS, 'at 40')]


def test_the_end_of_an_utterance_is_heard_though_the_next_has_begun() -> None:
    audio, first, second = DelayedAudio(), clock_at(100 * MS), clock_at(1000 * MS, 2)
    audio.add(first, piece(50, 'last word'))
    audio.add(second, piece(0, 'first word'))
    assert audio.due(150 * MS) == [(150 * MS, 'last word')]
    second.delay = -10 * MS
    assert audio.due(1100 * MS) == [(990 * MS, 'first word')]


def test_cut_off_by_the_next_utterance_it_is_counted() -> None:
    audio, first, second = DelayedAudio(), clock_at(0), clock_at(50 * MS, 2)
    for place in (0, 20, 40, 60):
        audio.add(first, piece(place, place))
    audio.add(second, piece(0, 'first word'))
    audio.drop(first, 50 * MS)
    assert [message for _, message in audio.due(200 * MS)] == [0, 20, 40, 'first word']
    assert audio.stale == 20 * MS


def test_cleared_it_is_silent() -> None:
    audio = DelayedAudio()
    audio.add(clock_at(0), piece(0, 'word'))
    audio.clear()
    assert not audio.due(10**12) and audio.next is None


def test_while_the_clock_stands_nothing_is_heard() -> None:
    audio, clock = DelayedAudio(), PresentationClock(1, 0)
    for place in (0, 20, 40):
        audio.add(clock, piece(place, place))
    assert not audio.due(500 * MS) and audio.next is None
    clock.run(500 * MS, 10_000 * MS)
    assert audio.due(525 * MS) == [(500 * MS, 0), (520 * MS, 20)]
    clock.stand(25 * MS)
    assert not audio.due(1000 * MS)
    clock.run(1000 * MS, 10_000 * MS)
    assert audio.next == 1015 * MS


def test_messages_that_overtook_each_other_are_heard_in_order() -> None:
    audio, clock = DelayedAudio(), clock_at(0)
    for place in (0, 40, 20, 60):
        audio.add(clock, piece(place, place))
    assert [message for _, message in audio.due(100 * MS)] == [0, 20, 40, 60]


def test_sound_that_is_long_over_is_left_out_and_counted() -> None:
    audio, clock = DelayedAudio(), clock_at(0)
    for place in range(0, 3000, 20):
        audio.add(clock, piece(place, place))
    heard = [message for _, message in audio.due(2500 * MS)]
    assert heard == list(range(2000, 2501, 20))
    assert audio.stale == 2000 * MS


def test_a_pause_may_get_shorter_but_speech_is_whole() -> None:
    """The clock runs 10 % fast: of what is quiet one message in ten or so is left out, of speech none."""
    for quiet in (True, False):
        audio, clock, heard = DelayedAudio(), clock_at(0), 0
        clock.shift = 200 * MS
        for place in range(0, 2000, 20):
            audio.add(clock, piece(place, place, quiet))
        for now in range(0, 2200, 20):
            heard += len(audio.due(now * MS))
            if now >= 200:
                clock.shift = max(0, clock.shift - 2 * MS)
        assert 86 <= heard <= 90 if quiet else heard == 100
        assert audio.stale == 0
