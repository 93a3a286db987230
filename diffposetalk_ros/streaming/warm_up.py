# SPDX-License-Identifier: Apache-2.0
"""Runs the networks once before speech begins.

This allocates memory and builds graphs and engines. The time of a hop shows whether the machine is fast enough.
"""

from __future__ import annotations

import math
import statistics
import time

import numpy as np

from diffposetalk_ros.audio.sample_rate import AUDIO_SAMPLE_RATE
from diffposetalk_ros.model.backend import Backend, FloatArray, SamplingConfig, WindowRequest
from diffposetalk_ros.streaming.features import feature_stream
from diffposetalk_ros.streaming.generator import StreamConfig, StreamingGenerator

__all__ = ['MAX_REAL_TIME_FACTOR', 'too_slow', 'warm_up']

MAX_REAL_TIME_FACTOR = 0.8
"""Seconds of computing per second of motion up to which frames come in time. Other programs need the rest."""
_ADVISED_REAL_TIME_FACTOR = 0.6
"""The same for the hop that a warning advises."""
_MAX_HOP = 25
_ROUNDS = 3


def warm_up(backend: Backend, config: StreamConfig, style: FloatArray | None) -> float:
    """Generate a second of motion and a few hops; return the seconds that a hop takes in a long utterance."""
    watch = _Stopwatch(backend)
    generator = StreamingGenerator(watch, config, style)
    samples = generator.model.samples_per_frame
    noise = np.random.default_rng(0).normal(0.0, 0.05, AUDIO_SAMPLE_RATE).astype(np.float32)
    generator.push(noise)
    encoding, rest = [], []
    for _ in range(_ROUNDS):
        watch.seconds = 0.0
        start = time.perf_counter()
        generator.push(noise[: config.hop * samples])
        encoding.append(watch.seconds)
        rest.append(time.perf_counter() - start - watch.seconds)
    if generator.model.audio_encoder != 'logmel':
        # The window grows for seconds before its size is constant. A GPU captures a size when it occurs twice.
        window = np.resize(noise, (1, config.context * samples))
        encoding = []
        for _ in range(_ROUNDS):
            start = time.perf_counter()
            backend.encode_audio(window, config.context)
            encoding.append(time.perf_counter() - start)
    generator.finish()
    return statistics.median(encoding) + statistics.median(rest)


def too_slow(seconds: float, backend: Backend, config: StreamConfig) -> str:
    """Advice if a hop that takes ``seconds`` is too slow for live speech, otherwise an empty string."""
    fps = backend.config.fps
    if seconds * fps <= MAX_REAL_TIME_FACTOR * config.hop:
        return ''
    text = (
        f'a hop of {1e3 * config.hop / fps:.0f} ms takes {1e3 * seconds:.0f} ms ({backend.runner}), too slow for '
        'live speech: '
    )
    # A window of fixed length costs the same, however much of it is new.
    hop = math.ceil(seconds * fps / _ADVISED_REAL_TIME_FACTOR)
    if not backend.config.variable_window and hop <= _MAX_HOP:
        # Time from the middle of the hop's first frame until the last sample it needs, plus computing.
        right = feature_stream(backend, config.context, config.right).right
        delay = (hop + max(config.look_ahead, right) - 0.5) / fps + 2 * seconds
        text += f'set stream.hop to {hop} and playout.delay to {delay:.2f}, or '
    return text + 'lower sampler.steps, or use a GPU (docs/gpu.md)'


class _Stopwatch:
    """`Backend` that adds up the ``seconds`` its audio encoder takes."""

    def __init__(self, backend: Backend) -> None:
        self.config, self.runner = backend.config, backend.runner
        self.seconds = 0.0
        self._backend = backend

    def encode_audio(self, samples: FloatArray, frames: int) -> FloatArray:
        start = time.perf_counter()
        features = self._backend.encode_audio(samples, frames)
        self.seconds += time.perf_counter() - start
        return features

    def encode_mel(self, mel: FloatArray) -> FloatArray:
        start = time.perf_counter()
        features = self._backend.encode_mel(mel)
        self.seconds += time.perf_counter() - start
        return features

    def encode_style(self, motion: FloatArray) -> FloatArray:
        return self._backend.encode_style(motion)

    def sample(self, request: WindowRequest, sampling: SamplingConfig) -> FloatArray:
        return self._backend.sample(request, sampling)
