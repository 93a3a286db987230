# SPDX-License-Identifier: Apache-2.0
"""The released configuration (HuBERT-base, 8 x 512) with random weights: the reference algorithm
beside ours, on the same machine in the same run. Needs torch."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from diffposetalk_ros.benchmark.requests import speech_like, window_request
from diffposetalk_ros.benchmark.table import Cell, Table
from diffposetalk_ros.benchmark.timing import timed
from diffposetalk_ros.model.backend import Backend, SamplingConfig
from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.model.speech_padding import pad_speech

__all__ = ['full_size_table', 'reference_table']

_GUIDED = SamplingConfig('ddpm', 500, 1.15, 3.0)
"""The scales of the official examples: three branches."""
_PART = 20
"""Steps from which the cost of 500 ancestral ones is extrapolated."""


def reference_table(config: ModelConfig, measured: int) -> Table:
    """The reference algorithm at a model's own size, extrapolated from ``measured`` steps."""
    total, step, _ = _reference(config, measured)
    columns = ('measured steps', 'step p50 [ms]', f'{config.n_diff_steps} steps [s]')
    note = 'Three branches in one batch, torch eager, window of 100 frames; linear in the steps.'
    return Table('Reference algorithm at this size', note, columns, ((measured, 1e3 * step, total),))


def full_size_table(measured: int) -> Table:
    """Seconds for 4 s of motion, encoder included, and how many times faster than the reference."""
    import torch
    import transformers

    from diffposetalk_ros.benchmark.torch_reference import reference_hubert
    from diffposetalk_ros.model.onnx_backend import OnnxBackend
    from diffposetalk_ros.model.onnx_export import export_onnx
    from diffposetalk_ros.model.store import save_model
    from diffposetalk_ros.model.torch_backend import TorchBackend
    from diffposetalk_ros.model.torch_model import DiffPoseTalkModel

    quieten: Any = transformers.logging
    quieten.set_verbosity_error()
    config = ModelConfig(use_indicator=True)
    speech = speech_like(4.0)[None]
    denoising, step, complete = _reference(config, measured)
    hubert = reference_hubert()
    heard = torch.from_numpy(pad_speech(speech))

    with torch.inference_mode():
        encoder = timed(partial(hubert, heard), 2.0, 1).p50 / 1e3
    del hubert
    reference = encoder + denoising
    how = '' if complete else f', from {measured} of {config.n_diff_steps} steps'
    rows: list[tuple[Cell, ...]] = [
        (f'reference algorithm, torch eager{how}', 500, encoder, denoising, reference, 1.0)
    ]

    def add(name: str, backend: Backend, sampling: SamplingConfig, seconds: float, encode: float) -> None:
        rows.append((name, sampling.steps, encode, seconds, encode + seconds, reference / (encode + seconds)))

    def seconds_of(backend: Backend, sampling: SamplingConfig) -> float:
        request = window_request(config, 1, config.n_motions)
        return timed(lambda: backend.sample(request, sampling), 2.0, 1).p50 / 1e3

    def encoding(backend: Backend) -> float:
        encode: Callable[[], object] = lambda: backend.encode_audio(speech, config.n_motions)  # noqa: E731
        return timed(encode, 2.0, 1).p50 / 1e3

    with tempfile.TemporaryDirectory() as place:
        folder, dim = Path(place), config.motion_dim
        save_model(folder, DiffPoseTalkModel(config), (np.zeros(dim), np.ones(dim)))
        ours = TorchBackend.load(folder, 'cpu')
        exact = seconds_of(ours, replace(_GUIDED, steps=_PART)) / _PART
        ears = encoding(ours)
        add(f'ours, torch, exact savings only, from {_PART} steps', ours, _GUIDED, 500 * exact, ears)
        add('ours, torch', ours, SamplingConfig('ddim', 4, 1.15, 3.0), seconds_of(
            ours, SamplingConfig('ddim', 4, 1.15, 3.0)
        ), ears)  # fmt: skip
        del ours
        half = TorchBackend.load(folder, 'cpu/bfloat16')
        ears = encoding(half)
        for steps in (8, 4):
            sampling = SamplingConfig('ddim', steps, 1.15, 3.0)
            add('ours, torch, bfloat16', half, sampling, seconds_of(half, sampling), ears)
        del half
        export_onnx(folder)
        graph = OnnxBackend.load(folder, 'cpu')
        ears = encoding(graph)
        exact = seconds_of(graph, replace(_GUIDED, steps=_PART)) / _PART
        add(f'ours, ONNX loop, exact savings only, from {_PART} steps', graph, _GUIDED, 500 * exact, ears)
        for steps, audio, style in ((8, 1.15, 3.0), (4, 1.15, 3.0), (4, 1.5, 1.5), (4, 1.0, 1.0)):
            sampling = SamplingConfig('ddim', steps, audio, style)
            name = f'ours, ONNX loop, scales {audio:g} and {style:g}'
            add(name, graph, sampling, seconds_of(graph, sampling), ears)
    columns = ('what', 'steps', 'encoder [s]', 'denoising [s]', 'both [s]', 'times faster')
    note = (
        f'One window of 4 s, random weights, float32 unless it says otherwise, {torch.get_num_threads()} '
        f'threads. One reference step takes {1e3 * step:.0f} ms. '
        f'{"One complete run of the reference was made." if complete else ""}'
    )
    return Table('Full size: HuBERT-base and 8 x 512', note.strip(), columns, tuple(rows))


def _reference(config: ModelConfig, measured: int) -> tuple[float, float, bool]:
    """(seconds of all steps, median seconds of a step, whether all were made)."""
    from diffposetalk_ros.benchmark.torch_reference import ReferenceDenoiser, sample_ancestral
    from diffposetalk_ros.diffusion.schedule import make_schedule
    from diffposetalk_ros.model.torch_model import ScheduleBuffers

    net = ReferenceDenoiser(config).eval()
    schedule = ScheduleBuffers(make_schedule(config.diff_schedule, config.n_diff_steps))
    sample_ancestral(net, schedule, 2)
    seconds = sample_ancestral(net, schedule, min(measured, config.n_diff_steps))
    step = float(np.median(seconds))
    complete = len(seconds) == config.n_diff_steps
    return (sum(seconds) if complete else step * config.n_diff_steps), step, complete
