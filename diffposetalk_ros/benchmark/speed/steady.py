# SPDX-License-Identifier: Apache-2.0
"""Memory that a stream still takes after its warm-up."""

from __future__ import annotations

import resource
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from diffposetalk_ros.benchmark.speed.requests import speech_like
from diffposetalk_ros.model.backend import FloatArray, SamplingConfig
from diffposetalk_ros.model.loader import LoadedModel
from diffposetalk_ros.streaming.generator import StreamConfig, model_stream

__all__ = ['SteadyRun', 'run_steady']


@dataclass(frozen=True)
class SteadyRun:
    """``resident``: KiB the process gained over ``hops`` hops; ``faults``: pages it touched for the first
    time, per hop (what is taken from pools that are there already costs none); ``python``: KiB of Python
    and NumPy objects gained over as many hops again."""

    hops: int
    resident: float
    faults: float
    python: float


def run_steady(
    model: LoadedModel, style: FloatArray | None, sampling: SamplingConfig, hops: int, warm_up: int = 100
) -> SteadyRun:
    """Speak ``hops`` hops after ``warm_up`` of them, as fast as it goes. Linux only."""
    stream = model_stream(model, StreamConfig(sampling=sampling), style)
    hop = stream.config.hop * model.backend.config.samples_per_frame
    sound = speech_like(hop / 16000)

    def speak(count: int) -> None:
        for _ in range(count):
            stream.push(sound)

    speak(warm_up)
    resident, faults = _resident(), _faults()
    speak(hops)
    resident, faults = _resident() - resident, _faults() - faults
    return SteadyRun(hops, resident, faults / hops, _traced(speak, hops))


def _traced(speak: Callable[[int], None], hops: int) -> float:
    tracemalloc.start()
    try:
        speak(max(1, hops // 10))  # the tracer's own tables
        before = tracemalloc.get_traced_memory()[0]
        speak(hops)
        return (tracemalloc.get_traced_memory()[0] - before) / 1024
    finally:
        tracemalloc.stop()


def _resident() -> float:
    lines = Path('/proc/self/status').read_text(encoding='ascii').splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith('VmRSS'))


def _faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
