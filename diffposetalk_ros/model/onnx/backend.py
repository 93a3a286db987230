# SPDX-License-Identifier: Apache-2.0
"""Runs the exported networks with ONNX Runtime, without torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.diffusion.guidance import Branch
from diffposetalk_ros.diffusion.sampler import Inpainting, solver_coefficients
from diffposetalk_ros.diffusion.schedule import make_schedule, timesteps
from diffposetalk_ros.errors import ConfigError, ModelError, StyleError
from diffposetalk_ros.model.backend import FloatArray, SamplingConfig, WindowRequest
from diffposetalk_ros.model.config import LogMelConfig, ModelConfig
from diffposetalk_ros.model.device import parse_device
from diffposetalk_ros.model.guided import branches_for, scale_code
from diffposetalk_ros.model.mel_context import clip_mel
from diffposetalk_ros.model.onnx.binding import BoundSession
from diffposetalk_ros.model.onnx.providers import CPU, open_session, provider_reason, providers
from diffposetalk_ros.model.speech_padding import pad_speech
from diffposetalk_ros.util.resources import CONFIG, WEIGHTS, graph_file

__all__ = ['MAX_STYLE_FRAMES', 'OnnxBackend']

MAX_STYLE_FRAMES = 750
"""Largest number of frames that the exported style encoder takes: 30 s at 25 fps."""
_NEEDED = ('audio', 'sampler')
_PARALLEL_WORK = 7e8
"""Multiply-adds of one evaluation above which a second thread saves time."""


_NO_INPAINTING = Inpainting(np.zeros((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32))


@dataclass(frozen=True)
class _Plan:
    """Inputs of the loop that follow from the sampling settings and are equal for every window."""

    branches: tuple[Branch, ...]
    feeds: dict[str, NDArray[Any]]
    times: tuple[int, ...]
    needs_noise: bool


class OnnxBackend:
    """`Backend` over the graphs of `export_onnx`. Not thread-safe.

    Args:
        folder: model folder with audio.onnx and sampler.onnx.
        config: its configuration.
        device: see `parse_device`.
        threads: for large batches and long windows; 0 means the number of cores, at most 4. A light hop
            runs on one thread, because a second one costs more than it saves.
        bind: whether to call the graphs through buffers that stay in place (I/O binding); None means on a
            GPU only.

    Raises ModelError for a folder without graphs, ConfigError for an unknown device.
    """

    def __init__(
        self,
        folder: Path,
        config: ModelConfig,
        device: str = 'auto',
        threads: int = 0,
        bind: bool | None = None,
    ) -> None:
        self.config = config
        self._folder = folder
        self._device = parse_device(device)
        self._providers = providers(self._device)
        self._bind = bind
        self._threads = threads or min(4, os.cpu_count() or 1)
        for name in _NEEDED:
            if not (folder / graph_file(name)).is_file():
                raise ModelError(
                    f'no {graph_file(name)} in {folder}; write it with: diffposetalk export --model {folder}'
                )
        self._sessions: dict[tuple[str, int], tuple[Any, frozenset[str]]] = {}
        self._bound: dict[tuple[str, int], BoundSession] = {}
        self._learned = _learned_features(folder)
        self._schedule = make_schedule(config.diff_schedule, config.n_diff_steps)
        self._plans: dict[tuple[SamplingConfig, bool, bool], _Plan] = {}
        # The log-mel encoder takes a thousandth of the time of HuBERT.
        self._audio_threads = 1 if config.audio_encoder == 'logmel' else self._threads
        self._session('audio', self._audio_threads)
        _, names = self._session('sampler', self._thread_count(config.n_motions))
        if 'coefficients' not in names:
            raise ModelError(
                f'{folder / graph_file("sampler")} was written by another version of this package; '
                f'write it again with: diffposetalk export --model {folder}'
            )

    @classmethod
    def load(cls, folder: Path, device: str = 'auto') -> OnnxBackend:
        """Open a model folder. Raises ModelError or ConfigError naming what is wrong with it."""
        return cls(folder, ModelConfig.load(folder / CONFIG), device)

    @property
    def provider(self) -> str:
        """ONNX Runtime's name of the execution provider in use."""
        return self._providers[0][0]

    @property
    def runner(self) -> str:
        """See `Backend`."""
        return f'ONNX Runtime on {self.provider.removesuffix("ExecutionProvider")}'

    def encode_audio(self, samples: FloatArray, frames: int) -> FloatArray:
        """Speech (N, n) at 16 kHz -> features (N, frames, C); see `Backend`."""
        if self.config.audio_encoder == 'logmel':
            return self.encode_mel(clip_mel(samples, frames, self.config.logmel or LogMelConfig()))
        count = np.array([frames], np.int64)
        return self._run('audio', self._audio_threads, samples=pad_speech(samples), frames=count)

    def encode_mel(self, mel: FloatArray) -> FloatArray:
        """Normalised log mel with context -> features; see `Backend`."""
        return self._run('audio', self._thread_count(mel.shape[0] * mel.shape[1] // 4), mel=mel)

    def encode_style(self, motion: FloatArray) -> FloatArray:
        """Normalised motion (N, F, D) -> style (N, S); StyleError without a style encoder."""
        if not (self._folder / graph_file('style')).is_file():
            raise StyleError(f'this model folder has no style encoder ({graph_file("style")})')
        if motion.ndim != 3 or motion.shape[2] != self.config.motion_dim:
            raise StyleError(f'style motion of shape {motion.shape}; need (N, F, {self.config.motion_dim})')
        if not 1 <= motion.shape[1] <= MAX_STYLE_FRAMES:
            raise StyleError(f'a style clip of {motion.shape[1]} frames; give 1 to {MAX_STYLE_FRAMES}')
        return self._run('style', motion=motion)

    def sample(self, request: WindowRequest, sampling: SamplingConfig) -> FloatArray:
        """Denoise a batch of windows -> x_0 (N, L, D), normalised; see `Backend`."""
        if request.audio.shape[:2] != request.noise.shape[:2]:
            raise ModelError(f'audio features {request.audio.shape} do not fit noise {request.noise.shape}')
        count, frames = request.noise.shape[:2]
        full = self.config.n_motions
        if frames != full and not (self.config.variable_window and 1 <= frames < full):
            allowed = f'1 to {full}' if self.config.variable_window else f'exactly {full}'
            raise ModelError(f'a window of {frames} frames does not fit this model; it takes {allowed}')
        plan = self._plan(request, sampling)
        if not plan.needs_noise:
            step_noise = np.zeros((len(plan.times), 1, 1, 1), np.float32)
        elif request.step_noise is None:
            raise ConfigError('the ddpm solver needs noise for its steps; give step_noise or use ddim')
        else:
            make = request.step_noise
            # The last step takes none; its row only fills the array.
            rows = [make(t) for t in plan.times[:-1]]
            step_noise = np.stack([*rows, np.zeros_like(request.noise)])
        inpainting = request.inpainting or _NO_INPAINTING
        indicator = request.indicator
        if indicator is None:
            indicator = np.ones((count, frames), np.float32)
        return self._run(
            'sampler',
            self._thread_count(len(plan.branches) * count * (frames + self.config.n_prev_motions)),
            noise=request.noise,
            previous_motion=self._or_learned(request.previous_motion, 'start_motion_feat', count),
            previous_audio=self._or_learned(request.previous_audio, 'start_audio_feat', count),
            audio=request.audio,
            indicator=indicator,
            person=np.stack(self._persons(request, plan.branches, sampling)),
            step_noise=step_noise,
            target=inpainting.target,
            mask=inpainting.mask,
            **plan.feeds,
        )

    def _plan(self, request: WindowRequest, sampling: SamplingConfig) -> _Plan:
        key = (sampling, request.style is None, request.inpainting is None)
        if key not in self._plans:
            if len(self._plans) > 64:  # someone sweeps a scale
                self._plans.clear()
            branches = branches_for(self.config, request.style is not None, sampling)
            steps = timesteps(self._schedule.steps, sampling.steps, sampling.spacing)
            times = tuple(t for t, _ in steps)
            coefficients = solver_coefficients(
                sampling.solver, self._schedule, steps, self.config.target, sampling.flexibility,
                request.inpainting is not None,
            )  # fmt: skip
            feeds: dict[str, NDArray[Any]] = {
                'timesteps': np.array(times, np.int64),
                'coefficients': np.array(coefficients, np.float32),
                'use_audio': np.array([branch.audio for branch in branches]),
                'weights': np.array([branch.weight for branch in branches], np.float32),
                'threshold': np.array(sampling.threshold or (0.0, 0.0, 0.0), np.float32),
            }
            needs_noise = any(row.next_noise for row in coefficients)
            self._plans[key] = _Plan(branches, feeds, times, needs_noise)
        return self._plans[key]

    def _or_learned(self, value: FloatArray | None, name: str, count: int) -> FloatArray:
        if value is not None:
            return value
        learned = self._learned[name]
        return np.broadcast_to(learned, (count, *learned.shape[1:]))

    def _persons(
        self, request: WindowRequest, branches: tuple[Branch, ...], sampling: SamplingConfig
    ) -> list[FloatArray]:
        """Shape, style and guidance scales (N, person_dim) of each branch."""
        config, count = self.config, request.noise.shape[0]
        given = 0 if request.shape is None else request.shape.shape[-1]
        if given != config.shape_dim:
            raise ModelError(f'a shape code of {given} numbers; this model takes {config.shape_dim}')
        shape = [] if request.shape is None else [request.shape]
        code = scale_code(config, request.style is not None, sampling)
        scales = [] if code is None else [np.broadcast_to(code, (count, len(code)))]
        if not config.style_dim:
            return [np.concatenate([*shape, *scales], axis=-1)] * len(branches)
        style = request.style
        if style is not None and style.shape[-1] != config.style_dim:
            raise ModelError(
                f'a style code of {style.shape[-1]} numbers; this model takes {config.style_dim}'
            )
        persons = []
        for branch in branches:
            used = style if branch.style else None
            if used is None:
                if 'null_style_feat' not in self._learned:
                    raise ModelError('this model was trained without a null style; give a style')
                used = np.broadcast_to(self._learned['null_style_feat'][:, 0], (count, config.style_dim))
            persons.append(np.concatenate([*shape, used, *scales], axis=-1))
        return persons

    def _thread_count(self, tokens: int) -> int:
        """Threads for a batch of ``tokens`` (rows times frames)."""
        config = self.config
        weights = config.n_layers * config.feature_dim**2 * (4 + 2 * config.mlp_ratio)
        return self._threads if tokens * weights >= _PARALLEL_WORK else 1

    def _run(self, graph: str, threads: int = 1, **feeds: NDArray[Any]) -> FloatArray:
        """First output of a graph."""
        session, names = self._session(graph, threads)
        arrays = {
            name: np.ascontiguousarray(value, np.float32 if value.dtype.kind == 'f' else None)
            for name, value in feeds.items()
            if name in names
        }
        gpu = self.provider != CPU
        try:
            if not (gpu if self._bind is None else self._bind):
                out: FloatArray = session.run(None, arrays)[0]
                return out
            if (graph, threads) not in self._bound:
                place = 'cuda' if gpu else 'cpu'
                self._bound[graph, threads] = BoundSession(session, place, self._device.index)
            return self._bound[graph, threads](arrays)[0]
        except Exception as error:  # ONNX Runtime raises bare classes of its own
            path, reason = self._folder / graph_file(graph), provider_reason(error)
            raise ModelError(
                f'{path} cannot be run ({reason}); if it is not of this {CONFIG}, export it again'
            ) from error

    def _session(self, name: str, threads: int = 1) -> tuple[Any, frozenset[str]]:
        """Session of a graph for a number of threads, made at its first use, and the names of its inputs."""
        if (name, threads) not in self._sessions:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            # A thread that spins while it waits keeps a core busy, even between two hops.
            options.add_session_config_entry('session.intra_op.allow_spinning', '0')
            options.log_severity_level = 3
            path = self._folder / graph_file(name)
            session, self._providers = open_session(path, options, self._providers)
            self._sessions[name, threads] = session, frozenset(i.name for i in session.get_inputs())
        return self._sessions[name, threads]


def _learned_features(folder: Path) -> dict[str, FloatArray]:
    """Start and null features, which are inputs of the graphs."""
    from safetensors import SafetensorError, safe_open

    path = folder / WEIGHTS
    try:
        with safe_open(str(path), framework='numpy') as file:
            names = [name for name in file.keys() if name.startswith(('start_', 'null_'))]  # noqa: SIM118
            return {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise ModelError(f'{path} is missing or damaged ({error}); copy the model folder again') from error
