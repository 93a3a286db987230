# SPDX-License-Identifier: Apache-2.0
"""Live operation within one process: sound in real time, frames against their deadline."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.audio.ring_buffer import AudioRingBuffer
from diffposetalk_ros.benchmark.speed.requests import speech_like
from diffposetalk_ros.model.backend import Backend, FloatArray, SamplingConfig
from diffposetalk_ros.model.loader import LoadedModel
from diffposetalk_ros.playout.timeline import MotionTimeline
from diffposetalk_ros.streaming.generator import StreamConfig, StreamingGenerator, model_stream
from diffposetalk_ros.streaming.shared_backend import SharedBackend
from diffposetalk_ros.streaming.worker import InferenceWorker

__all__ = ['AvatarRun', 'LiveRun', 'run_avatars', 'run_live']

_CHUNK = 320


class _Clocked(MotionTimeline):
    """A timeline that records when each frame became final."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.final: list[float] = []

    def merge(self, epoch: int, start: int, motion: FloatArray, committed: int) -> bool:
        done = super().merge(epoch, start, motion, committed)
        if done:
            self.final += [time.perf_counter()] * committed
        return done


@dataclass(frozen=True)
class LiveRun:
    """Milliseconds. ``age``: a frame is final this long after the end of its own sound; ``hop``: time
    to generate a window; ``late``: how much later than 25 frames/s a frame came than the one before
    (jitter); ``misses``: frames not final when the playout delay was over."""

    frames: int
    misses: int
    age: tuple[float, float, float]
    hop: tuple[float, float, float]
    jitter: tuple[float, float, float]


def run_live(
    model: LoadedModel, style: FloatArray | None, sampling: SamplingConfig, seconds: float, delay: float
) -> LiveRun:
    """Speak for ``seconds`` through ring buffer, worker thread and timeline in 20 ms messages, one frame per hop.

    A frame is due ``delay`` s after the middle of its sound.
    """
    backend = model.backend
    generator = model_stream(model, StreamConfig(sampling=sampling), style)
    generator.push(speech_like(1.0))
    ring, timeline = AudioRingBuffer(), _Clocked(backend.config.motion_dim)
    worker = InferenceWorker(generator, ring, timeline)
    worker.start()
    sound = speech_like(seconds)
    start = time.perf_counter()
    for first in range(0, len(sound), _CHUNK):
        # A message is complete, and sent, when its last sample has been heard.
        _sleep_until(start + (first + _CHUNK) / 16000)
        ring.append(sound[first : first + _CHUNK])
        worker.notify()
    ring.close()
    worker.notify()
    worker.wait_idle(60.0)
    worker.stop()
    rate, hop = backend.config.fps, generator.config.hop
    final = np.array(timeline.final) - start
    # The last frames wait for the end of the utterance; they are final with it.
    frames = np.arange(len(final))
    age = final - (frames + 1) / rate
    misses = int((final > (frames + 0.5) / rate + delay).sum())
    spans = worker.inference.summary()
    turns = age[hop - 1 :: hop]
    return LiveRun(
        len(final),
        misses,
        _percentiles(age),
        (1e3 * spans.p50, 1e3 * spans.p95, 1e3 * spans.p99),
        _percentiles(np.abs(np.diff(turns))),
    )


@dataclass(frozen=True)
class AvatarRun:
    """``busy``: milliseconds (p50, p95, p99) from the moment the sound of all avatars is there to the
    last one's frames; a miss is a hop of one avatar that took longer than the hop lasts."""

    avatars: int
    hops: int
    misses: int
    busy: tuple[float, float, float]


def run_avatars(
    backend: Backend,
    style: FloatArray | None,
    sampling: SamplingConfig,
    avatars: int,
    seconds: float,
    hop: int = StreamConfig.hop,
    model: LoadedModel | None = None,
) -> AvatarRun:
    """Measure avatars that share one backend, each on its own thread, as in `avatars_node`.

    With ``model``, its nonverbal network moves every avatar too, and ``style`` holds traits.
    All of them speak, and all hops of ``hop`` frames fall due at the same moment, which is the worst case.
    The measurement begins when the windows have the length that they keep.
    """
    switch_interval = sys.getswitchinterval()
    shared = SharedBackend(backend, avatars)
    streams = []
    for index in range(avatars):
        config = StreamConfig(hop, stream=index, sampling=sampling)
        joined = shared.join()
        streams.append(
            StreamingGenerator(joined, config, style)
            if model is None
            else model_stream(replace(model, backend=joined), config, style)
        )
    try:
        sys.setswitchinterval(0.0005)  # as in the node
        with ThreadPoolExecutor(avatars) as threads:
            return _speak_together(streams, threads, seconds)
    finally:
        sys.setswitchinterval(switch_interval)
        shared.close()


def _speak_together(
    streams: list[StreamingGenerator], threads: ThreadPoolExecutor, seconds: float
) -> AvatarRun:
    model, config, avatars = streams[0].model, streams[0].config, len(streams)
    rate = model.fps
    period, samples = config.hop / rate, config.hop * model.samples_per_frame
    steady = 1 if model.audio_encoder == 'logmel' else -(-config.context // rate) + 1
    begin = 16000 * steady
    sound = speech_like(steady + seconds)

    def speak(first: int, last: int) -> None:
        for _ in threads.map(lambda stream: stream.push(sound[first:last]), streams):
            pass

    speak(0, begin)
    spans, misses = [], 0
    start = time.perf_counter()
    for tick in range(int(seconds / period)):
        due = start + (tick + 1) * period
        if time.perf_counter() - due > seconds:
            break  # too far behind to catch up
        _sleep_until(due)
        speak(begin + tick * samples, begin + (tick + 1) * samples)
        spans.append(time.perf_counter() - due)
        misses += avatars if spans[-1] > period else 0
    return AvatarRun(avatars, avatars * len(spans), misses, _percentiles(np.array(spans)))


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.perf_counter()))


def _percentiles(seconds: NDArray[np.floating]) -> tuple[float, float, float]:
    p50, p95, p99 = (1e3 * float(v) for v in np.percentile(seconds, [50, 95, 99]))
    return p50, p95, p99
