# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.audio.chunk import AudioChunk
from diffposetalk_ros.audio.formats.pcm import MonoAudio
from diffposetalk_ros.audio.ring_buffer import AudioRingBuffer
from diffposetalk_ros.avatar.audio_intake import AudioIntake

NS = 1_000_000_000
START = 1_000 * NS


def intake_of(ring: AudioRingBuffer) -> AudioIntake:
    return AudioIntake(ring, ring.reset, 0.3)


def sound(seconds: float, rate: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(-0.5, 0.5, round(seconds * rate)).astype(np.float32)


def feed(intake: AudioIntake, samples: np.ndarray, rate: int, cuts: list[int], stamped: bool = True) -> int:
    """Microphone: each message arrives when its last sample is recorded. Returns the time after it."""
    now = START
    for begin, end in zip([0, *cuts], [*cuts, len(samples)], strict=True):
        now = START + end * NS // rate
        stamp = START + begin * NS // rate if stamped else None
        intake.push(AudioChunk(MonoAudio(samples[begin:end]), rate, stamp), now)
        assert not intake.poll(now)
    return now


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 3999), max_size=8, unique=True), st.sampled_from([8000, 16000, 44100]))
def test_result_does_not_depend_on_the_cutting(cuts: list[int], rate: int) -> None:
    samples = sound(4000 / rate, rate)
    rings = []
    for some in (sorted(cuts), []):
        ring = AudioRingBuffer(5.0)
        intake = intake_of(ring)
        now = feed(intake, samples, rate, some)
        assert intake.origin == START
        assert intake.poll(now + 2 * NS)
        rings.append(ring.read(0, ring.end))
    np.testing.assert_array_equal(*rings)
    assert abs(len(rings[0]) - 4000 * 16000 / rate) <= 1


def test_utterance_ends_by_time_out_and_the_next_is_a_new_epoch() -> None:
    ring = AudioRingBuffer(5.0)
    intake = intake_of(ring)
    now = feed(intake, sound(0.2, 16000), 16000, [1600])
    epoch = ring.epoch
    assert not intake.poll(now + 290_000_000)
    assert intake.poll(now + 310_000_000)
    assert ring.read_new(epoch, 0).closed
    later = now + 5 * NS
    intake.push(AudioChunk(MonoAudio(sound(0.02, 16000)), 16000, later), later)
    assert (ring.epoch, intake.origin, ring.end) == (epoch + 1, later, 320)
    assert intake.counters.utterances == 2


def test_burst_is_not_over_before_it_has_sounded() -> None:
    intake = intake_of(AudioRingBuffer(5.0))
    samples = sound(2.0, 16000)
    for begin in range(0, len(samples), 320):
        stamp = START + begin * NS // 16000
        intake.push(AudioChunk(MonoAudio(samples[begin : begin + 320]), 16000, stamp), START)
    assert intake.ring.end == len(samples)
    assert not intake.poll(START + 2 * NS)
    assert intake.poll(START + 2 * NS + 310_000_000)


@pytest.mark.parametrize('stamped', [True, False])
def test_an_utterance_goes_on_at_another_rate(stamped: bool) -> None:
    intake = intake_of(AudioRingBuffer(5.0))
    now = feed(intake, sound(0.1, 16000), 16000, [800], stamped)
    epoch = intake.ring.epoch
    chunk = AudioChunk(MonoAudio(sound(0.1, 48000)), 48000, now if stamped else None)
    intake.push(chunk, now + 100_000_000)
    assert intake.ring.epoch == epoch
    assert 3100 < intake.ring.end <= 3200


@pytest.mark.parametrize('seconds', [0.0, 0.1])
def test_refused_sound_of_another_rate_leaves_the_utterance_alone(seconds: float) -> None:
    ring = AudioRingBuffer(5.0)
    intake = intake_of(ring)
    intake.too_late = NS
    now = feed(intake, sound(0.4, 16000), 16000, [1600, 3200, 4800])
    # Sent 100 ms after the last message, and read 2 s later, as after a stall.
    sent = now + NS // 10
    late = AudioChunk(MonoAudio(sound(seconds, 44100)), 44100, now)
    assert intake.push(late, sent + 2 * NS, None, sent) is None
    assert intake.origin == START
    assert intake.poll(sent + 3 * NS)
    assert ring.end == 6400 and intake.counters.utterances == 1


def test_after_abandon_nothing_is_left() -> None:
    intake = intake_of(AudioRingBuffer(5.0))
    now = feed(intake, sound(0.1, 16000), 16000, [])
    intake.abandon()
    assert intake.ring.end == 0
    intake.push(AudioChunk(MonoAudio(sound(0.02, 16000)), 16000, now), now + 20_000_000)
    assert (intake.ring.end, intake.origin) == (320, now)


def test_a_pause_is_told_once_long_before_the_end() -> None:
    paused: list[int] = []
    ring = AudioRingBuffer(5.0)
    intake = AudioIntake(ring, ring.reset, 0.3, lambda: paused.append(ring.end))
    now = feed(intake, sound(0.2, 16000), 16000, list(range(320, 3200, 320)))
    for late in range(0, 290, 10):
        assert not intake.poll(now + late * 1_000_000)
        assert len(paused) == (late > 25)
    # The speaker goes on: the same utterance, silence in between.
    again = now + 290_000_000
    intake.push(AudioChunk(MonoAudio(sound(0.02, 16000)), 16000, again - 20_000_000), again)
    intake.push(AudioChunk(MonoAudio(sound(0.02, 16000)), 16000, again), again + 20_000_000)
    assert (intake.counters.utterances, ring.end) == (1, 3200 + 4320 + 640)
    assert not intake.poll(again + 60_000_000)
    assert len(paused) == 2


def test_the_pause_after_a_burst_is_told_before_the_sound_is_over() -> None:
    told: list[int] = []
    ring = AudioRingBuffer(20.0)
    intake = AudioIntake(ring, ring.reset, 0.3, lambda: told.append(ring.end))
    samples = sound(3.0, 16000)
    for begin in range(0, 32000, 320):  # two seconds at once
        intake.push(AudioChunk(MonoAudio(samples[begin : begin + 320]), 16000, None), START)
    at = [now for now in range(START, START + 3 * NS, 10_000_000) if intake.poll(now) or told.count(32000)]
    assert told == [32000] and 0.3 * NS <= START + 2 * NS - at[0] <= 0.5 * NS
    # A source that is 0.2 s ahead of time and goes on sending does not pause.
    intake, told[:] = AudioIntake(ring, ring.reset, 0.3, lambda: told.append(ring.end)), []
    for begin in range(0, 48000, 320):
        now = START + max(0, begin - 3200) * NS // 16000
        intake.push(AudioChunk(MonoAudio(samples[begin : begin + 320]), 16000, None), now)
        assert not intake.poll(now + 19_000_000)
    assert not told


def test_after_a_stall_stale_sound_is_left_out_and_counted() -> None:
    """The process stood still for 3 s; then all messages of that time come at once."""
    for stamped in (True, False):
        intake = intake_of(AudioRingBuffer(20.0))
        intake.end_timeout, intake.too_late = 5.0, NS
        samples, used = sound(6.0, 16000), []
        for i in range(0, len(samples), 320):
            sent = START + (i + 320) * NS // 16000
            now = max(sent, START + 5 * NS) if sent > START + 2 * NS else sent
            chunk = AudioChunk(MonoAudio(samples[i : i + 320]), 16000, sent - NS // 50 if stamped else None)
            used.append(intake.push(chunk, now, i, sent) is not None)
        assert intake.counters.stale == pytest.approx(2.0, abs=0.03)
        assert used[:100] == [True] * 100 and used[-100:] == [True] * 100
        assert intake.counters.utterances == 2, 'what follows is not shown with the lips of what was lost'


def test_a_burst_is_not_stale_however_long_it_takes_to_read_it() -> None:
    intake = intake_of(AudioRingBuffer(20.0))
    intake.too_late = NS
    samples = sound(16.0, 16000)
    for i in range(0, len(samples), 320):
        chunk = AudioChunk(MonoAudio(samples[i : i + 320]), 16000, None)
        assert intake.push(chunk, START + i * 10**5 // 4, i, START) is not None
    assert intake.ring.end == len(samples) and not intake.counters.stale


def test_a_burst_whose_sender_stands_still_for_a_moment_is_heard_whole() -> None:
    """A busy machine: the sender rests 0.15 s after each hundred messages, the node reads 250 of them a second."""
    intake = intake_of(AudioRingBuffer(40.0))
    intake.too_late = NS
    samples = sound(30.0, 16000)
    for k, i in enumerate(range(0, len(samples), 320)):
        sent = START + k * NS // 5000 + k // 100 * NS * 3 // 20
        chunk = AudioChunk(MonoAudio(samples[i : i + 320]), 16000, None)
        assert intake.push(chunk, START + k * NS // 250, i, sent) is not None
    assert intake.ring.end == len(samples) and not intake.counters.stale


@pytest.mark.parametrize('speed', [0.95, 1.0, 1.3, 1.9])
def test_a_long_sentence_whose_pieces_share_a_stamp_is_heard_whole(speed: float) -> None:
    intake = intake_of(AudioRingBuffer(20.0))
    intake.too_late = NS
    samples = sound(6.0, 16000)
    for i in range(0, len(samples), 1600):
        chunk = AudioChunk(MonoAudio(samples[i : i + 1600]), 16000, START)
        assert intake.push(chunk, START + round(i * NS / 16000 / speed)) is not None
    assert intake.ring.end == len(samples) and not intake.counters.stale


@pytest.mark.parametrize('speed', [1, 2, 5.5])
def test_how_fast_sound_is_sent_is_known_after_two_seconds(speed: float) -> None:
    """44.1 kHz stereo taken for 16 kHz mono comes 5.5 times as fast as it would be."""
    intake, chunk = intake_of(AudioRingBuffer(60.0)), AudioChunk(MonoAudio(sound(0.02, 16000)), 16000, None)
    for i in range(round(250 * speed)):
        intake.push(chunk, START + round(i * NS / 50 / speed))
        assert i > 90 * speed or np.isnan(intake.speed)
    assert intake.speed == pytest.approx(speed, rel=0.02)


@pytest.mark.parametrize(('gap', 'utterances'), [(0.3, 1), (0.48, 1), (0.55, 2), (0.95, 2)])
@pytest.mark.parametrize('stamped', [True, False])
def test_after_a_longer_pause_no_silence_delays_the_next_word(
    gap: float, utterances: int, stamped: bool
) -> None:
    ring = AudioRingBuffer(5.0)
    ended: list[bool] = []
    intake = AudioIntake(ring, lambda: ended.append(intake.open) or ring.reset(), 0.5)
    samples = sound(0.4, 16000)
    now = feed(intake, samples, 16000, list(range(320, len(samples), 320)), stamped)
    first, resumes = ring.epoch, now + round(gap * NS)
    for at in range(now, resumes + 60_000_000, 20_000_000):
        intake.poll(at)
        if at > resumes:
            begin = at - 20_000_000
            chunk = AudioChunk(MonoAudio(sound(0.02, 16000)), 16000, begin if stamped else None)
            intake.push(chunk, at)
    assert intake.counters.utterances == utterances == 1 + ring.epoch - first
    # An utterance that ended was told so, and has all of its frames.
    assert not any(ended)
    if utterances == 2:
        assert ring.end <= 960 and not intake.counters.gaps
    else:
        assert ring.end > 6400 + 4000


def test_a_lost_message_of_a_second_is_silence() -> None:
    intake = intake_of(AudioRingBuffer(9.0))
    for begin in (0, 1, 3, 4):
        now = START + (begin + 1) * NS
        intake.push(AudioChunk(MonoAudio(sound(1.0, 16000)), 16000, START + begin * NS), now)
        assert not intake.poll(now)
    assert intake.counters.utterances == 1 and intake.counters.gaps == pytest.approx(1.0)


@pytest.mark.parametrize('pause', [0.9, 3.0])
@pytest.mark.parametrize('stamped', [True, False])
def test_a_pause_between_sentences_of_one_message_each_is_no_silence(pause: float, stamped: bool) -> None:
    """The networks would have to generate all of it before the next word."""
    intake = intake_of(AudioRingBuffer(30.0))
    for now in (START, START + round((5.0 + pause) * NS)):
        intake.push(AudioChunk(MonoAudio(sound(5.0, 16000)), 16000, now if stamped else None), now)
    assert intake.counters.utterances == 2 and not intake.counters.gaps
    assert (intake.origin, intake.ring.end) == (now, 5 * 16000)


def test_a_message_that_waits_for_an_earlier_one_does_so_for_a_tenth_of_a_second() -> None:
    intake = intake_of(AudioRingBuffer(9.0))
    for begin in (0.0, 0.9):  # a gap into which a message as long would fit
        now = START + round(begin * NS)
        intake.push(AudioChunk(MonoAudio(sound(0.4, 16000)), 16000, now), now)
    assert not intake.poll(now + 90_000_000) and intake.ring.end == 6400
    assert not intake.poll(now + 110_000_000) and intake.ring.end == 20800
    assert (intake.counters.utterances, intake.ring.epoch) == (1, 1)
