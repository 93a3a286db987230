# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from analytic_backend import AnalyticBackend  # noqa: E402

from diffposetalk_ros.audio.ring_buffer import AudioRingBuffer
from diffposetalk_ros.model.backend import SamplingConfig
from diffposetalk_ros.playout.timeline import MotionTimeline
from diffposetalk_ros.streaming.generator import StreamConfig, StreamingGenerator
from diffposetalk_ros.streaming.worker import InferenceWorker, WorkerConfig

CONFIG = StreamConfig(2, 1, sampling=SamplingConfig(steps=2))


def speech(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.3, 0.3, n).astype('f4')


def expected(audio: np.ndarray) -> np.ndarray:
    generator = StreamingGenerator(AnalyticBackend(), CONFIG)
    out = generator.push(audio) + generator.finish()
    return np.concatenate([frames.motion[: frames.committed] for frames in out])


class GatedBackend(AnalyticBackend):
    """Fails ``failures`` times; waits for ``gate`` before each window."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = 0
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def sample(self, request, sampling):
        self.entered.set()
        assert self.gate.wait(60)
        if self.failures > 0:
            self.failures -= 1
            raise RuntimeError('device lost')
        return super().sample(request, sampling)


class Rig:
    def __init__(self, **config) -> None:
        self.backend = GatedBackend()
        self.ring = AudioRingBuffer(20)
        self.timeline = MotionTimeline(55)
        self.errors: list[str] = []
        self.told: list[tuple[int, int, int]] = []
        self.worker = InferenceWorker(
            StreamingGenerator(self.backend, CONFIG),
            self.ring,
            self.timeline,
            WorkerConfig(retry_delay=0.001, **config),
            self.errors.append,
            on_frames=lambda epoch, frames: self.told.append((epoch, frames.start, frames.committed)),
        )

    def say(self, audio: np.ndarray, message: int = 320) -> None:
        for i in range(0, len(audio), message):
            self.ring.append(audio[i : i + message])
            self.worker.notify_audio()
        self.ring.close()
        self.worker.notify()

    def motion(self) -> np.ndarray:
        assert self.worker.wait_idle(60)
        return self.timeline.read(0, self.timeline.end)


@pytest.fixture
def rig():
    rig = Rig()
    yield rig
    rig.backend.gate.set()
    assert rig.worker.stop()


def test_the_thread_gives_what_the_generator_gives(rig):
    audio = speech(20000)
    rig.worker.start()
    rig.say(audio)
    np.testing.assert_array_equal(rig.motion(), expected(audio))
    assert rig.timeline.closed
    assert rig.worker.inference.total == 16
    assert rig.worker.real_time_factor > 0


def test_a_burst_before_the_start_is_generated_too(rig):
    audio = speech(160000)
    rig.say(audio, 160000)
    rig.worker.start()
    np.testing.assert_array_equal(rig.motion(), expected(audio))


def test_reset_throws_the_window_in_flight_away_and_the_next_utterance_is_unaffected(rig):
    rig.worker.start()
    rig.backend.gate.clear()
    rig.say(speech(20000, seed=1))
    assert rig.backend.entered.wait(60)
    assert rig.worker.reset() == 1
    rig.backend.gate.set()
    audio = speech(9000)
    rig.say(audio)
    np.testing.assert_array_equal(rig.motion(), expected(audio))
    assert rig.timeline.epoch == 1


def test_failures_within_the_budget_cost_nothing_but_time(rig):
    rig.backend.failures = 4
    audio = speech(9000)
    rig.worker.start()
    rig.say(audio)
    np.testing.assert_array_equal(rig.motion(), expected(audio))
    assert (rig.worker.error_count, rig.worker.failed) == (4, False)
    assert 'device lost' in rig.errors[0] and 'Traceback' in rig.worker.last_error


def wait_until(condition) -> None:
    for _ in range(12_000):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError('waited in vain')


def test_after_too_many_failures_it_tries_rarely_and_recovers_in_the_same_utterance():
    rig = Rig(max_errors=3, failed_delay=0.01)
    rig.backend.failures = 10**6
    audio = speech(9000)
    rig.worker.start()
    rig.say(audio)
    wait_until(lambda: rig.worker.failed and len(rig.errors) > 3)
    assert rig.timeline.end == 0
    rig.backend.failures = 0
    np.testing.assert_array_equal(rig.motion(), expected(audio))
    assert not rig.worker.failed
    assert rig.worker.stop()


def test_reset_and_stop_do_not_wait_for_the_next_try():
    rig = Rig(max_errors=1, failed_delay=60.0)
    rig.backend.failures = 1
    rig.worker.start()
    rig.say(speech(9000))
    wait_until(lambda: rig.worker.failed)
    rig.worker.reset()
    audio = speech(9000, seed=3)
    rig.say(audio)
    np.testing.assert_array_equal(rig.motion(), expected(audio))
    rig.backend.failures = 1
    rig.worker.reset()
    rig.say(audio)
    wait_until(lambda: rig.worker.failed)
    assert rig.worker.stop(20.0)


def test_calls_run_on_the_worker_before_the_next_window(rig):
    names = []
    rig.worker.start()
    rig.worker.call(lambda generator: names.append(threading.current_thread().name))
    rig.worker.call(lambda generator: generator.set_style(np.ones(4)))
    rig.say(speech(9000))
    assert np.abs(rig.motion() - expected(speech(9000))).max() > 1e-3
    assert names == ['inference']


def test_a_call_that_fails_is_reported_and_does_not_end_the_thread(rig):
    rig.worker.start()
    rig.worker.call(lambda generator: generator.set_style(np.ones(99)))
    rig.say(speech(9000))
    np.testing.assert_array_equal(rig.motion(), expected(speech(9000)))
    assert 'StyleError' in rig.errors[0]


def test_audio_lost_by_the_ring_becomes_silence_so_that_frames_keep_their_time():
    rig = Rig()
    rig.ring = AudioRingBuffer(0.5)
    rig.worker = InferenceWorker(StreamingGenerator(rig.backend, CONFIG), rig.ring, rig.timeline)
    audio = speech(16000)
    rig.say(audio, 16000)
    rig.worker.start()
    silent = audio.copy()
    silent[:8000] = 0
    np.testing.assert_array_equal(rig.motion(), expected(silent))
    assert rig.worker.lost_samples == 8000
    assert rig.worker.stop()


def test_a_hundred_starts_and_stops_leave_no_thread():
    rig = Rig()
    before = threading.active_count()
    for _ in range(100):
        rig.worker.start()
        rig.worker.start()
        assert rig.worker.running
        assert rig.worker.stop()
    assert threading.active_count() == before and not rig.worker.running


def test_after_a_restart_the_stream_begins_anew(rig):
    rig.worker.start()
    rig.say(speech(9000))
    rig.motion()
    assert rig.worker.stop()
    rig.worker.reset()
    rig.worker.start()
    audio = speech(7000, seed=2)
    rig.say(audio)
    np.testing.assert_array_equal(rig.motion(), expected(audio))


def test_while_the_audio_pauses_frames_up_to_its_end_can_be_seen(rig):
    audio = speech(20000)
    rig.worker.start()
    rig.ring.append(audio[:9000])
    rig.worker.preview()
    assert rig.worker.wait_idle(60)
    seen = rig.timeline.at(13, provisional=True)
    assert (seen.last, seen.waiting, seen.provisional) == (14, True, True)
    np.testing.assert_array_equal(seen.first, expected(audio[:9000])[13])
    rig.say(audio[9000:])
    np.testing.assert_array_equal(rig.motion(), expected(audio))
    assert not rig.timeline.at(13).waiting


def test_every_window_is_told(rig):
    rig.worker.start()
    rig.say(speech(6400))
    assert rig.worker.wait_idle(60)
    assert rig.told == [(0, i, 2) for i in range(0, 10, 2)]


def test_the_thread_is_woken_once_a_frame_not_by_every_message(monkeypatch):
    rig, pushed = Rig(poll=3600.0), list[int]()
    push = StreamingGenerator.push

    def counted(self, samples, limit=None):
        pushed.append(len(samples))
        return push(self, samples, limit)

    monkeypatch.setattr(StreamingGenerator, 'push', counted)
    rig.worker.start()
    rig.worker.notify()
    assert rig.worker.wait_idle(60)
    for heard, fed in ((320, 0), (639, 0), (640, 640), (1279, 640), (1290, 1290)):
        rig.ring.append(np.zeros(heard - rig.ring.end, 'f4'))
        rig.worker.notify_audio()
        assert rig.worker.wait_idle(60)
        assert sum(pushed) == fed
    assert rig.worker.stop()


def test_the_next_utterance_wakes_the_thread_as_early_as_the_first():
    rig, audio = Rig(poll=3600.0), speech(6400)
    rig.worker.start()
    for epoch in (0, 1):
        rig.ring.append(audio)
        rig.worker.notify_audio()
        assert rig.worker.wait_idle(60)
        assert (rig.timeline.epoch, rig.timeline.end) == (epoch, 8)
        rig.worker.reset()
        assert rig.worker.wait_idle(60)
    assert rig.worker.stop()
