# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from analytic_backend import AnalyticBackend, model_config  # noqa: E402

from diffposetalk_ros.errors import ModelError
from diffposetalk_ros.model.backend import FloatArray, SamplingConfig, WindowRequest
from diffposetalk_ros.streaming.generator import StreamConfig, StreamingGenerator
from diffposetalk_ros.streaming.shared_backend import SharedBackend


class Slow(AnalyticBackend):
    """Gives others the time to ask."""

    def sample(self, request: WindowRequest, sampling: SamplingConfig) -> FloatArray:
        time.sleep(0.005)
        return super().sample(request, sampling)


def motion(generator: StreamingGenerator, sound: np.ndarray) -> np.ndarray:
    frames = [f for i in range(0, len(sound), 1280) for f in generator.push(sound[i : i + 1280])]
    return np.concatenate([f.motion[: f.committed] for f in frames + generator.finish()])


def make(backend: object, index: int) -> StreamingGenerator:
    style = np.full(4, float(index), np.float32)
    return StreamingGenerator(backend, StreamConfig(2, 1, stream=index), style)  # type: ignore[arg-type]


def test_streams_in_threads_get_what_they_get_alone() -> None:
    sounds = [np.random.default_rng(i).uniform(-0.3, 0.3, 640 * 40).astype('f4') for i in range(4)]
    alone = [motion(make(AnalyticBackend(), i), sound) for i, sound in enumerate(sounds)]
    shared = SharedBackend(Slow())
    together: dict[int, np.ndarray] = {}

    def speak(index: int) -> None:
        together[index] = motion(make(shared.join(), index), sounds[index])

    threads = [threading.Thread(target=speak, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for index in range(4):
        np.testing.assert_allclose(together[index], alone[index], atol=1e-5)
    assert max(shared.sizes) >= 2
    assert shared.waiting.summary().count
    shared.close()


def test_too_many_streams_slow_down_alike_and_no_queue_grows() -> None:
    count, frames = 12, 24
    shared = SharedBackend(Slow(), limit=count)
    ready = threading.Barrier(count)
    made: dict[int, int] = {}
    order: list[int] = []

    def speak(index: int) -> None:
        stream = make(shared.join(), index)
        sound = np.random.default_rng(index).uniform(-0.3, 0.3, 640 * frames).astype('f4')
        ready.wait(20)
        made[index] = len(motion(stream, sound))
        order.append(index)

    threads = [threading.Thread(target=speak, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    # Asked for far more than can be served at once: all are served, each has one call in the queue.
    assert made == dict.fromkeys(range(count), frames) and sorted(order) == list(range(count))
    assert 2 <= shared.longest_queue <= count
    assert max(shared.sizes) > 1
    shared.close()


def test_admission_and_leaving() -> None:
    shared = SharedBackend(AnalyticBackend(), limit=2)
    first, second = shared.join(), shared.join()
    with pytest.raises(ModelError, match='2 avatars'):
        shared.join()
    first.leave()
    first.leave()
    third = shared.join()
    assert shared.members == 2
    del second
    assert shared.members == 1
    third.leave()
    shared.close()
    with pytest.raises(ModelError, match='limit of 0'):
        SharedBackend(AnalyticBackend(), limit=0)


def test_an_error_reaches_its_own_stream_only() -> None:
    shared = SharedBackend(AnalyticBackend())
    good, bad = make(shared.join(), 0), shared.join()
    with pytest.raises(AttributeError):
        bad.sample(WindowRequest(audio=None, noise=np.zeros((1, 2, 3), 'f4')), SamplingConfig())  # type: ignore[arg-type]
    assert len(motion(good, np.zeros(640 * 8, 'f4'))) == 8
    shared.close()
    with pytest.raises(ModelError, match='closed'):
        bad.encode_mel(np.zeros((1, 2, 3), 'f4'))


def test_speech_that_waits_is_encoded_together() -> None:
    begun, go_on = threading.Event(), threading.Event()
    sizes: list[int] = []

    class Held(AnalyticBackend):
        def encode_audio(self, samples: FloatArray, frames: int) -> FloatArray:
            sizes.append(len(samples))
            begun.set()
            assert go_on.wait(20.0)
            return super().encode_audio(samples, frames)

    shared = SharedBackend(Held(model_config('hubert')))
    sounds = [np.random.default_rng(i).normal(0, 1, (1, 640 * 5)).astype('f4') for i in range(5)]
    got: dict[int, np.ndarray] = {}
    members = [shared.join() for _ in sounds]

    def encode(index: int) -> None:
        got[index] = members[index].encode_audio(sounds[index], 5)

    threads = [threading.Thread(target=encode, args=(i,)) for i in range(5)]
    threads[0].start()
    assert begun.wait(20.0)
    for thread in threads[1:]:
        thread.start()
    while shared.longest_queue < 4:
        time.sleep(0.001)
    go_on.set()
    for thread in threads:
        thread.join(60)
    shared.close()
    assert sizes == [1, 4]
    alone = AnalyticBackend(model_config('hubert'))
    for index, sound in enumerate(sounds):
        np.testing.assert_allclose(got[index], alone.encode_audio(sound, 5), atol=1e-5)
