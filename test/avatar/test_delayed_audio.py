# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from diffposetalk_ros.avatar.delayed_audio import DelayedSound


def test_messages_wait_for_their_place_even_when_the_start_moves() -> None:
    sound = DelayedSound()
    sound.play(1, 1000)
    for place in (0, 20, 40):
        sound.add(1, place, f'at {place}')
    assert not sound.due(999) and sound.next() == 1000
    sound.play(1, 500)
    assert sound.next() == 500
    assert sound.due(525) == [(500, 'at 0'), (520, 'at 20')]
    assert sound.due(540) == [(540, 'at 40')]


def test_the_end_of_an_utterance_is_heard_though_the_next_has_begun() -> None:
    sound = DelayedSound()
    sound.play(1, 100)
    sound.add(1, 50, 'last word')
    sound.play(2, 1000)
    sound.add(2, 0, 'first word')
    assert sound.due(150) == [(150, 'last word')]
    sound.play(2, 990)
    assert sound.due(2000) == [(990, 'first word')]
    assert len(sound._starts) == 1


def test_cleared_it_is_silent() -> None:
    sound = DelayedSound()
    sound.play(1, 0)
    sound.add(1, 0, 'word')
    sound.clear()
    assert not sound.due(10**12) and sound.next() is None
