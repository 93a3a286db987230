# SPDX-License-Identifier: Apache-2.0
"""A large model in live use on one device: time of a hop, avatars against missed deadlines, memory."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from diffposetalk_ros.benchmark.speed.full_size import FULL_SIZE, device_name, full_size_model
from diffposetalk_ros.benchmark.speed.in_process import run_avatars
from diffposetalk_ros.benchmark.speed.requests import speech_like
from diffposetalk_ros.benchmark.table import Cell, Table
from diffposetalk_ros.model.backend import Backend, FloatArray, SamplingConfig, WindowRequest
from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.streaming.generator import StreamConfig, StreamingGenerator

__all__ = ['ServedConfig', 'host_table', 'served_tables']

_MIB = 1 << 20
_PLAIN = SamplingConfig('ddim', 4, 1.0, 1.0)


@dataclass(frozen=True)
class ServedConfig:
    """``avatars`` that speak together, one run of ``seconds`` for each number; ``hop`` frames of theirs are
    due at once. ``hops`` of a single stream are timed with the node's own hop."""

    precisions: tuple[str, ...] = ('float32', 'bfloat16')
    hops: int = 500
    avatars: Sequence[int] = (1, 16, 64, 128, 256, 320, 384, 512)
    hop: int = 5
    seconds: float = 10.0
    model: ModelConfig = field(default=FULL_SIZE)


def served_tables(device: str, config: ServedConfig | None = None) -> Iterator[Table]:
    """Yield one table after the other. ``device``: 'cpu', 'cuda', 'cuda:1'. Needs torch and transformers."""
    from diffposetalk_ros.model.torch.backend import TorchBackend

    config = config or ServedConfig()
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        full_size_model(config.model, folder)
        hops: list[tuple[Cell, ...]] = []
        avatars: list[tuple[Cell, ...]] = []
        for precision in config.precisions:
            backend = TorchBackend.load(folder, f'{device}/{precision}')
            for sampling in (_PLAIN, SamplingConfig('ddim', 8, 1.15, 3.0)):
                hops.append((precision, *_hops(backend, sampling, config.hops)))
            avatars += [(precision, *row) for row in _avatars(backend, device, config)]
            del backend
    place, frames = device_name(device), StreamConfig().hop
    yield Table(
        'Full size: one live hop',
        f'{place}. One stream in steady state: encoder over the newest 4 s, denoiser over a window of '
        f'{config.model.n_motions} frames, {frames} of them new; {config.hops} hops after 20 to warm up, from '
        'the last sample to frames on the host.',
        ('arithmetic', 'steps', 'scales', 'p50 [ms]', 'p95 [ms]', 'p99 [ms]', 'largest [ms]'),
        tuple(hops),
    )
    yield Table(
        'Full size: avatars in one process',
        f'{place}. Every avatar speaks and all hops fall due at once, every '
        f'{1000 * config.hop // config.model.fps} ms, {_PLAIN.solver}, {_PLAIN.steps} steps, scales of 1; a hop '
        'that is not done when the next one is due is missed. Memory: what a run added at its peak, per avatar, '
        'weights left out.',
        (
            'arithmetic', 'avatars', 'hops', 'missed', 'busy p50 [ms]', 'busy p95 [ms]', 'busy p99 [ms]',
            'device [MiB per avatar]', 'host [MiB per avatar]',
        ),
        tuple(avatars),
    )  # fmt: skip


def _hops(backend: Backend, sampling: SamplingConfig, count: int) -> tuple[Cell, ...]:
    stream = StreamingGenerator(backend, StreamConfig(sampling=sampling))
    length = stream.config.hop * backend.config.samples_per_frame
    context = stream.config.context * backend.config.samples_per_frame
    stream.push(speech_like(context / 16000 + 1))
    sound = speech_like(length / 16000 * (count + 20), seed=1)
    spans = []
    for first in tqdm(range(0, len(sound), length), desc='live hops', unit='hop', leave=False):
        begin = time.perf_counter()
        stream.push(sound[first : first + length])
        spans.append(time.perf_counter() - begin)
    milliseconds = 1e3 * np.array(spans[20:])
    p50, p95, p99 = (float(value) for value in np.percentile(milliseconds, [50, 95, 99]))
    scales = f'{sampling.scale_audio:g} and {sampling.scale_style:g}'
    return sampling.steps, scales, p50, p95, p99, float(milliseconds.max())


def _avatars(backend: Backend, device: str, config: ServedConfig) -> Iterator[tuple[Cell, ...]]:
    for count in tqdm(config.avatars, desc='avatars', unit='run', leave=False):
        before = _memory(device, fresh=True)
        run = run_avatars(backend, None, _PLAIN, count, config.seconds, config.hop)
        after = _memory(device)
        used = [(b - a) / _MIB / count if a is not None and b is not None else None for a, b in zip(
            before, after, strict=True
        )]  # fmt: skip
        yield (count, run.hops, run.misses, *run.busy, *used)
        if run.misses > run.hops // 2:
            return  # more avatars would only wait longer


def _memory(device: str, fresh: bool = False) -> tuple[int | None, int]:
    """Bytes at the peak: on the device (None on a CPU), resident on the host. ``fresh``: restart the count."""
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if not device.startswith('cuda'):
        return None, host
    import torch

    if fresh:
        torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.max_memory_allocated(device), host


class _Free:
    """A backend that computes nothing; what remains is the work of the streams."""

    def __init__(self, config: ModelConfig) -> None:
        self.config, self.runner = config, 'nothing'
        self._features: dict[tuple[int, int], FloatArray] = {}

    def encode_audio(self, samples: FloatArray, frames: int) -> FloatArray:
        shape = len(samples), frames
        if shape not in self._features:
            self._features[shape] = np.zeros((*shape, self.config.feature_dim), np.float32)
        return self._features[shape]

    def encode_mel(self, mel: FloatArray) -> FloatArray:
        raise NotImplementedError

    def encode_style(self, motion: FloatArray) -> FloatArray:
        raise NotImplementedError

    def sample(self, request: WindowRequest, sampling: SamplingConfig) -> FloatArray:
        return np.zeros_like(request.noise)


def host_table(config: ServedConfig | None = None) -> Table:
    """What many large avatars cost the host, without their networks."""
    config = config or ServedConfig(avatars=(64, 256, 512), seconds=4.0)
    rows = []
    for count in config.avatars:
        run = run_avatars(_Free(config.model), None, _PLAIN, count, config.seconds, config.hop)
        rows.append((count, *run.busy, run.busy[0] / count))
    note = (
        'Networks that compute nothing. What is left: a thread for each avatar, windows, noise, normalising '
        'and joining, every '
        f'{1000 * config.hop // config.model.fps} ms.'
    )
    columns = ('avatars', 'busy p50 [ms]', 'busy p95 [ms]', 'busy p99 [ms]', 'each [ms]')
    return Table('Full size: what avatars cost the host', note, columns, tuple(rows))
