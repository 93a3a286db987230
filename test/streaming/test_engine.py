# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from analytic_backend import AnalyticBackend, model_config  # noqa: E402

from diffposetalk_ros.model.backend import SamplingConfig
from diffposetalk_ros.streaming.engine import BatchEngine
from diffposetalk_ros.streaming.generator import StreamConfig, StreamingGenerator


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


@pytest.mark.parametrize('encoder', ['logmel', 'hubert'])
def test_the_audio_of_all_streams_is_encoded_together(encoder: str):
    sizes: list[int] = []

    class Counting(AnalyticBackend):
        def encode_mel(self, mel):
            sizes.append(len(mel))
            return super().encode_mel(mel)

        def encode_audio(self, samples, frames):
            sizes.append(len(samples))
            return super().encode_audio(samples, frames)

    config = model_config(encoder, variable=encoder == 'logmel')
    alone = []
    for i in range(3):
        frames = StreamingGenerator(AnalyticBackend(config), StreamConfig(stream=i)).push(speech(40, i))
        alone.append(np.concatenate([f.motion[: f.committed] for f in frames]))
    backend = Counting(config)
    engine = BatchEngine(backend, [StreamingGenerator(backend, StreamConfig(stream=i)) for i in range(3)])
    parts: list[list[np.ndarray]] = [[], [], []]
    for i, stream in enumerate(engine.streams):
        stream.feed(speech(40, i))
    while new := engine.step():
        for i, made in new.items():
            parts[i].append(made.motion[: made.committed])
    for i in range(3):
        np.testing.assert_allclose(np.concatenate(parts[i]), alone[i], atol=1e-5)
    windows = [size for size in sizes if size == 3]
    # The padding of fixed windows is encoded once a stream.
    assert len(windows) == len(backend.windows) and len(sizes) - len(windows) <= 3
