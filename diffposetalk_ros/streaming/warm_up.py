# SPDX-License-Identifier: Apache-2.0
"""The networks run before the first word: memory, graphs and engines are there then, and it is known whether
this machine keeps up."""

from __future__ import annotations

import math
import statistics
import time

import numpy as np

from diffposetalk_ros.audio.sample_rate import AUDIO_SAMPLE_RATE
from diffposetalk_ros.model.backend import Backend, FloatArray
from diffposetalk_ros.streaming.features import encode_together
from diffposetalk_ros.streaming.generator import StreamConfig, StreamingGenerator

__all__ = ['LARGEST_FACTOR', 'too_slow', 'warm_up']

LARGEST_FACTOR = 0.8
"""Seconds of computing per second of motion up to which frames come in time; the rest is for what else runs."""
_ADVISED_FACTOR = 0.6
"""What a hop that is advised comes to: beside the node, others work on a machine."""
_LONGEST_HOP = 25
_ROUNDS = 3


def warm_up(backend: Backend, config: StreamConfig, style: FloatArray | None) -> float:
    """Generate a second and a few hops more. Returns the seconds that a hop takes in a long utterance."""
    generator = StreamingGenerator(backend, config, style)
    samples = generator.model.samples_per_frame
    noise = np.random.default_rng(0).normal(0.0, 0.05, AUDIO_SAMPLE_RATE).astype(np.float32)
    generator.push(noise)
    hearing, denoising = [], []
    for _ in range(_ROUNDS):
        generator.feed(noise[: config.hop * samples])
        window = generator.plan()
        encoding = None if window is None else generator.missing(window)
        start = time.perf_counter()
        if encoding is not None:
            generator.fill(encoding, *encode_together(backend, [encoding]))
        heard = time.perf_counter()
        generator.step()
        hearing.append(heard - start)
        denoising.append(time.perf_counter() - heard)
    if generator.model.audio_encoder != 'logmel':
        # The window grows for seconds before it has the size it then keeps; a GPU captures that at the second.
        window_of_noise = np.resize(noise, (1, config.context * samples))
        hearing = []
        for _ in range(_ROUNDS):
            start = time.perf_counter()
            backend.encode_audio(window_of_noise, config.context)
            hearing.append(time.perf_counter() - start)
    generator.finish()
    return statistics.median(hearing) + statistics.median(denoising)


def too_slow(seconds: float, backend: Backend, config: StreamConfig) -> str:
    """What to change where a hop that takes ``seconds`` is too slow for live speech; empty where it is not."""
    fps = backend.config.fps
    if seconds * fps <= LARGEST_FACTOR * config.hop:
        return ''
    text = (
        f'a hop of {1e3 * config.hop / fps:.0f} ms takes {1e3 * seconds:.0f} ms ({backend.runner}), too slow for '
        'live speech: '
    )
    # A window that is always whole costs the same, however much of it is new.
    hop = math.ceil(seconds * fps / _ADVISED_FACTOR)
    if not backend.config.variable_window and hop <= _LONGEST_HOP:
        # The middle of the hop's first frame is heard this long before its last sample.
        delay = (hop + config.look_ahead - 0.5) / fps + 2 * seconds
        text += f'set stream.hop to {hop} and playout.delay to {delay:.2f}, or '
    return text + 'lower sampler.steps, or use a GPU (docs/gpu.md)'
