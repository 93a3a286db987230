# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from diffposetalk_ros.model.backend import SamplingConfig
from diffposetalk_ros.streaming.engine import BatchEngine
from diffposetalk_ros.streaming.generator import StreamConfig, StreamingGenerator

sys.path.insert(0, str(Path(__file__).parent))
from analytic_backend import AnalyticBackend  # noqa: E402


def speech(frames: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.3, 0.3, 640 * frames).astype('f4')


def streams(backend: AnalyticBackend) -> list[StreamingGenerator]:
    """Five avatars: own noise, styles, one with another hop, one with another sampling."""
    out = []
    for i in range(5):
        sampling = SamplingConfig(solver='ddpm', steps=3 if i == 4 else 2)
        config = StreamConfig(3 if i == 3 else 2, 1, stream=i, sampling=sampling)
        style = None if i == 0 else np.full(4, float(i), np.float32)
        out.append(StreamingGenerator(backend, config, style))
    return out


def test_every_stream_gets_what_it_would_get_alone_in_fewer_calls():
    lengths = [10, 30, 30, 25, 30]
    alone, backend = [], AnalyticBackend()
    for i, stream in enumerate(streams(backend)):
        frames = stream.push(speech(lengths[i], i)) + stream.finish()
        alone.append(np.concatenate([f.motion[: f.committed] for f in frames]))
    calls_alone = len(backend.windows)

    shared = AnalyticBackend()
    engine = BatchEngine(shared, streams(shared))
    parts: list[list[np.ndarray]] = [[] for _ in lengths]
    for i, stream in enumerate(engine.streams):
        stream.feed(speech(lengths[i], i))
        stream.end()
    while new := engine.step():
        for i, frames in new.items():
            parts[i].append(frames.motion[: frames.committed])
    for i in range(5):
        np.testing.assert_allclose(np.concatenate(parts[i]), alone[i], atol=1e-5)
    assert len(shared.windows) < calls_alone
    assert max(len(request.noise) for request in shared.windows) == 2


def test_idle_streams_cost_nothing():
    backend = AnalyticBackend()
    engine = BatchEngine(backend, streams(backend))
    assert engine.step() == {}
    engine.streams[1].feed(speech(8, 0))
    assert list(engine.step()) == [1]
    assert len(backend.windows[0].noise) == 1
