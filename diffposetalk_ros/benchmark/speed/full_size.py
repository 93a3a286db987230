# SPDX-License-Identifier: Apache-2.0
"""The released configuration (HuBERT-base, 8 x 512) with random weights: the reference algorithm compared with this
package, on the same machine and in the same run. Needs torch."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diffposetalk_ros.benchmark.speed.requests import speech_like, window_request
from diffposetalk_ros.benchmark.table import Cell, Table
from diffposetalk_ros.benchmark.timing import timed
from diffposetalk_ros.model.backend import Backend, FloatArray, SamplingConfig
from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.model.device import parse_device
from diffposetalk_ros.model.speech_padding import pad_speech

if TYPE_CHECKING:
    import torch

__all__ = ['FULL_SIZE', 'device_name', 'full_size_model', 'full_size_table', 'reference_table']

FULL_SIZE = ModelConfig(use_indicator=True)
"""The released configuration."""

_GUIDED = SamplingConfig('ddpm', 500, 1.15, 3.0)
"""The scales of the official examples: three branches."""
_PART = 20
"""Steps from which the cost of 500 ancestral ones is extrapolated."""


def reference_table(config: ModelConfig, measured: int) -> Table:
    """The reference algorithm at a model's own size, extrapolated from ``measured`` steps."""
    total, step, _ = _reference(config, measured, 'cpu')
    columns = ('measured steps', 'step [ms]', f'{config.n_diff_steps} steps [s]')
    note = 'Three branches in one batch, torch eager, window of 100 frames; linear in the steps.'
    return Table('Reference algorithm at this size', note, columns, ((measured, 1e3 * step, total),))


def full_size_model(config: ModelConfig, folder: Path) -> None:
    """A model folder of this size with random weights. Needs transformers."""
    import transformers

    from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel
    from diffposetalk_ros.model.store import save_model

    quieten: Any = transformers.logging
    quieten.set_verbosity_error()
    dim = config.motion_dim
    save_model(folder, DiffPoseTalkModel(config), (np.zeros(dim), np.ones(dim)))


def full_size_table(
    measured: int, device: str = 'cpu', config: ModelConfig = FULL_SIZE, seconds: float = 2.0
) -> Table:
    """Seconds for 4 s of motion, encoder included, and how many times faster than the reference, which
    runs on the same device ('cpu', 'cuda', 'cuda:1'). Each is timed for about ``seconds``."""
    import torch

    from diffposetalk_ros.model.onnx.backend import OnnxBackend
    from diffposetalk_ros.model.onnx.export import export_onnx
    from diffposetalk_ros.model.onnx.providers import CPU, providers
    from diffposetalk_ros.model.torch.backend import TorchBackend

    speech = speech_like(4.0)[None]
    place = torch.device(device)
    denoising, step, complete = _reference(config, measured, device)
    encoder = _reference_encoder(config, speech, place, seconds)
    reference = encoder + denoising
    how = '' if complete else f', from {measured} of {config.n_diff_steps} steps'
    rows: list[tuple[Cell, ...]] = [
        (f'reference algorithm, torch eager{how}', 500, encoder, denoising, reference, 1.0)
    ]

    def seconds_of(backend: Backend, sampling: SamplingConfig) -> float:
        request = window_request(config, 1, config.n_motions)
        return timed(lambda: backend.sample(request, sampling), seconds, 1).p50 / 1e3

    def encoding(backend: Backend) -> float:
        encode: Callable[[], object] = lambda: backend.encode_audio(speech, config.n_motions)  # noqa: E731
        return timed(encode, seconds).p50 / 1e3

    def add(name: str, backend: Backend, ways: Iterable[SamplingConfig], exact: bool = False) -> None:
        ears = encoding(backend)
        if exact:
            # The cost of a step, where all 500 are made as in the reference.
            part = 500 * seconds_of(backend, replace(_GUIDED, steps=_PART)) / _PART
            rows.append(
                (f'{name}, exact savings only, from {_PART} steps', 500, *_sum(ears, part, reference))
            )
        for way in ways:
            scales = (
                '' if way.scale_audio == 1.15 else f', scales {way.scale_audio:g} and {way.scale_style:g}'
            )
            rows.append((name + scales, way.steps, *_sum(ears, seconds_of(backend, way), reference)))

    eight, four = (SamplingConfig('ddim', steps, 1.15, 3.0) for steps in (8, 4))
    others = [replace(four, scale_audio=scale, scale_style=scale) for scale in (1.5, 1.0)]
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        full_size_model(config, folder)
        add('ours, torch', TorchBackend.load(folder, device), (eight, four), exact=True)
        add('ours, torch, bfloat16', TorchBackend.load(folder, f'{device}/bfloat16'), (eight, four, *others))
        # Without a build for GPUs ONNX Runtime would measure the CPU.
        if place.type == 'cpu' or providers(parse_device(device))[0][0] != CPU:
            export_onnx(folder)
            graph = OnnxBackend.load(folder, device)
            add('ours, ONNX loop', graph, (eight, four, *others), exact=True)
    columns = ('what', 'steps', 'encoder [s]', 'denoising [s]', 'both [s]', 'times faster')
    note = (
        f'One window of 4 s on {device_name(device)}, random weights, float32 and scales 1.15 and 3 unless it says '
        f'otherwise, {torch.get_num_threads()} threads. One reference step takes {1e3 * step:.3g} ms. '
        f'{"One complete run of the reference was made." if complete else ""}'
    )
    return Table('Full size: HuBERT-base and 8 x 512', note.strip(), columns, tuple(rows))


def _reference_encoder(config: ModelConfig, speech: FloatArray, place: torch.device, seconds: float) -> float:
    """Seconds that the reference takes to encode speech (1, n)."""
    import torch

    from diffposetalk_ros.benchmark.speed.torch_reference import finish, reference_hubert

    hubert = reference_hubert(config.audio_encoder_config).to(place)
    heard = torch.from_numpy(pad_speech(speech)).to(place)

    def hear() -> None:
        hubert(heard)
        finish(place)

    with torch.inference_mode():
        return timed(hear, seconds, 1).p50 / 1e3


def _sum(encoder: float, denoising: float, reference: float) -> tuple[Cell, ...]:
    both = encoder + denoising
    return encoder, denoising, both, reference / both


def device_name(device: str) -> str:
    """'cpu', or the name of the GPU."""
    import torch

    return torch.cuda.get_device_name(device) if device.startswith('cuda') else device


def _reference(config: ModelConfig, measured: int, device: str) -> tuple[float, float, bool]:
    """(seconds of all steps, mean seconds of a step, whether all steps were run)."""
    from diffposetalk_ros.benchmark.speed.torch_reference import ReferenceDenoiser, sample_ancestral
    from diffposetalk_ros.diffusion.schedule import make_schedule
    from diffposetalk_ros.model.networks.diffposetalk import ScheduleBuffers

    net = ReferenceDenoiser(config).eval().to(device)
    schedule = ScheduleBuffers(make_schedule(config.diff_schedule, config.n_diff_steps)).to(device)
    sample_ancestral(net, schedule, 2)
    steps = min(measured, config.n_diff_steps)
    step = sample_ancestral(net, schedule, steps) / steps
    return step * config.n_diff_steps, step, steps == config.n_diff_steps
