# SPDX-License-Identifier: Apache-2.0
"""Tables about a light model in live use: hop, savings, pacing, avatars, memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

from diffposetalk_ros.benchmark.speed.in_process import run_avatars, run_live
from diffposetalk_ros.benchmark.speed.requests import speech_like, window_request
from diffposetalk_ros.benchmark.speed.steady import run_steady
from diffposetalk_ros.benchmark.table import Cell, Table
from diffposetalk_ros.benchmark.timing import Timing, timed
from diffposetalk_ros.model.backend import LIVE_SAMPLING, Backend, SamplingConfig
from diffposetalk_ros.model.loader import LoadedModel
from diffposetalk_ros.offline.generator import Generator

__all__ = ['DEFAULT', 'embedded_tables']

DEFAULT = LIVE_SAMPLING
"""The default sampling of the node."""
_HOP = 2


def embedded_tables(model: LoadedModel, full: bool) -> Iterator[Table]:
    """Yield each table as soon as it is measured. ``full`` takes about two minutes."""
    backend = model.backend
    yield _savings(model, full)
    yield _window_costs(backend, full)
    yield _lengths(model, full)
    yield _pacing(model, full)
    yield _steady(model, full)
    yield _avatars(model, full)


def _setting() -> str:
    steps = f'{DEFAULT.solver}, {DEFAULT.steps} steps, {DEFAULT.spacing} spacing'
    return f'{steps}, scales {DEFAULT.scale_audio:g} and {DEFAULT.scale_style:g}.'


def _cells(timing: Timing, motion: float) -> tuple[Cell, ...]:
    """``motion``: seconds of motion that one call generates."""
    return timing.best, timing.p50, timing.p95, timing.cpu, timing.p50 / 1e3 / motion


_TIMES = ('best [ms]', 'p50 [ms]', 'p95 [ms]', 'CPU [ms]', 'real-time factor p50')


def _savings(model: LoadedModel, full: bool) -> Table:
    config = model.backend.config
    seconds = 2.0 if full else 0.6
    request = window_request(config, 1, _HOP)
    rows = []

    def measure(label: str, backend: Backend, sampling: SamplingConfig, frames: int = _HOP) -> None:
        wanted = request if frames == _HOP else window_request(config, 1, frames)
        timing = timed(lambda: backend.sample(wanted, sampling), seconds)
        rows.append((label, sampling.steps, *_cells(timing, _HOP / config.fps)))

    if find_spec('torch') is not None:
        from diffposetalk_ros.model.torch.backend import TorchBackend

        torch = TorchBackend.load(model.folder, 'cpu')
        measure('torch, padded window of 100 frames', torch, DEFAULT, config.n_motions)
        measure('torch, window cut to the hop', torch, DEFAULT)
    measure('ONNX Runtime, window cut to the hop (the default)', model.backend, DEFAULT)
    for steps in (1, 4, 8):
        measure('the same', model.backend, replace(DEFAULT, steps=steps))
    measure('equal scales: two branches', model.backend, replace(DEFAULT, scale_audio=1.5, scale_style=1.5))
    measure('different scales: three branches', model.backend, replace(DEFAULT, scale_audio=1.5))
    note = (
        f'Denoising one live hop of {_HOP} frames ({1000 * _HOP // config.fps} ms of motion), '
        f'{DEFAULT.solver}, scales {DEFAULT.scale_audio} and {DEFAULT.scale_style} (one branch).'
    )
    return Table(
        'Live hop, one optimisation after the other', note, ('setting', 'steps', *_TIMES), tuple(rows)
    )


def _window_costs(backend: Backend, full: bool) -> Table:
    config, rows = backend.config, []
    seconds = 1.0 if full else 0.4
    for count in (1, 4, 16) if full else (1, 8):
        for frames in (2, 6, 12, 24, 100) if full else (2, 12, 100):
            request = window_request(config, count, frames)
            timing = timed(lambda r=request: backend.sample(r, DEFAULT), seconds)  # type: ignore[misc]
            rows.append((count, frames, *_cells(timing, count * frames / config.fps)))
    note = f'{_setting()} The batch is of streams; a factor is per stream.'
    return Table('Window and batch', note, ('streams', 'frames', *_TIMES), tuple(rows))


def _lengths(model: LoadedModel, full: bool) -> Table:
    generator, rows = Generator(model), []
    for length in (4.0, 8.0, 16.0, 32.0, 64.0) if full else (4.0, 16.0):
        sound = speech_like(length)
        timing = timed(lambda s=sound: generator.generate(s, sampling=DEFAULT), 0.0, 1, 3)  # type: ignore[misc]
        rows.append((length, timing.p50, timing.cpu, length / timing.p50 * 1e3))
    columns = ('clip [s]', 'p50 [ms]', 'CPU [ms]', 'times real time')
    note = f'Whole clips: front end, encoder, denoiser, de-normalisation. {_setting()}'
    return Table('Offline, against the length of the clip', note, columns, tuple(rows))


def _pacing(model: LoadedModel, full: bool) -> Table:
    delay = 0.145
    style = next(iter(model.styles.values()), None)
    run = run_live(model, style, DEFAULT, 20.0 if full else 6.0, delay)
    rows = [
        ('frame age: final after the end of its own sound [ms]', *run.age),
        ('time to generate a hop [ms]', *run.hop),
        ('jitter: change of age from hop to hop [ms]', *run.jitter),
    ]
    note = (
        f'{run.frames} frames in real time, 20 ms messages, worker thread, one frame per hop. The encoder looks '
        f'80 ms ahead, which is part of the age. Frames later than the playout delay of {1e3 * delay:.0f} ms: '
        f'{run.misses}.'
    )
    return Table('Live pacing', note, ('', 'p50', 'p95', 'p99'), tuple(rows))


def _steady(model: LoadedModel, full: bool) -> Table:
    style = next(iter(model.styles.values()), None)
    run = run_steady(model, style, DEFAULT, 1000 if full else 200)
    rows = (
        ('resident memory gained [KiB]', run.resident),
        ('new pages touched per hop', run.faults),
        ('Python and NumPy objects gained [KiB]', run.python),
    )
    note = f'{run.hops} hops of one stream after 100 to warm up; each hop is one call of the graph.'
    return Table('Memory in steady state', note, ('', ''), rows)


def _avatars(model: LoadedModel, full: bool) -> Table:
    style = next(iter(model.styles.values()), None)
    rows = []
    for hop in (_HOP, 1):
        for count in (1, 2, 5, 8, 10, 12, 15, 20) if full else (1, 10):
            run = run_avatars(model.backend, style, DEFAULT, count, 5.0 if full else 3.0, hop, model)
            rows.append((hop, count, run.hops, run.misses, *run.busy))
            if run.misses == run.hops:
                break
    columns = (
        'frames per hop', 'avatars', 'hops', 'missed', 'busy p50 [ms]', 'busy p95 [ms]', 'busy p99 [ms]'
    )  # fmt: skip
    note = (
        'Every avatar speaks and all hops fall due at once, which is the worst case. A hop that is not done when the '
        f'next one is due ({1000 // model.backend.config.fps} ms per frame) is missed. Encoder, denoiser and '
        'nonverbal network.'
    )
    return Table('Avatars in one process', note, columns, tuple(rows))
