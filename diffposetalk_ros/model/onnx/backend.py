# SPDX-License-Identifier: Apache-2.0
"""Runs the exported networks with ONNX Runtime: no torch needed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.diffusion.guidance import Branch, dynamic_threshold, mix
from diffposetalk_ros.diffusion.linear_steps import linear_steps
from diffposetalk_ros.diffusion.samplers import Known, sample
from diffposetalk_ros.diffusion.schedule import make_schedule, step_pairs
from diffposetalk_ros.errors import ConfigError, ModelError, StyleError
from diffposetalk_ros.model.backend import FloatArray, SamplingConfig, WindowRequest
from diffposetalk_ros.model.config import LogMelConfig, ModelConfig
from diffposetalk_ros.model.device import parse_device
from diffposetalk_ros.model.guided import branches_for, scale_code
from diffposetalk_ros.model.mel_context import clip_mel
from diffposetalk_ros.model.onnx.binding import BoundSession
from diffposetalk_ros.model.onnx.providers import CPU, open_session, provider_reason, providers
from diffposetalk_ros.model.speech_padding import pad_speech

__all__ = ['LONGEST_STYLE_CLIP', 'OnnxBackend']

LONGEST_STYLE_CLIP = 750
"""Frames the exported style encoder takes at most: 30 s at 25 fps."""
_NEEDED = ('audio', 'memory', 'denoiser')
_WIDE_WORK = 7e8
"""Multiply-adds of one evaluation from which a second thread pays."""


@dataclass(frozen=True)
class _Plan:
    """What a sampling setting makes of the loop; the same arrays for every window."""

    branches: tuple[Branch, ...]
    feeds: dict[str, NDArray[Any]]
    times: tuple[int, ...]
    noisy: bool


class OnnxBackend:
    """`Backend` over the graphs `export_onnx` wrote. Not thread-safe; arrays are float32 NumPy.

    ``threads``: of large batches and long windows; 0 takes the cores there are, at most 4. A light hop runs
    on one: it is so small that a second costs more than it saves. ``loop`` False evaluates the
    denoiser branch by branch, step by step, as is also done for dynamic thresholding: the reference
    of the loop inside the graph. ``bind`` calls the graphs through buffers that stay (I/O binding); by
    default that is done on a GPU.
    """

    def __init__(
        self,
        folder: Path,
        config: ModelConfig,
        device: str = 'auto',
        threads: int = 0,
        loop: bool = True,
        bind: bool | None = None,
    ) -> None:
        self.config = config
        self._folder = folder
        self._device = parse_device(device)
        self._providers = providers(self._device)
        self._bind = bind
        self._threads = threads or min(4, os.cpu_count() or 1)
        for name in _NEEDED:
            if not (folder / f'{name}.onnx').is_file():
                raise ModelError(
                    f'no {name}.onnx in {folder}; write it with: diffposetalk export --model {folder}'
                )
        self._sessions: dict[tuple[str, int], tuple[Any, frozenset[str]]] = {}
        self._bound: dict[tuple[str, int], BoundSession] = {}
        self._learned = _learned_features(folder)
        self._schedule = make_schedule(config.diff_schedule, config.n_diff_steps)
        self._loop = loop and (folder / 'sampler.onnx').is_file()
        self._plans: dict[tuple[SamplingConfig, bool, bool], _Plan] = {}
        # A light encoder of mel frames takes a thousandth of the time of HuBERT.
        self._audio_threads = 1 if config.audio_encoder == 'logmel' else self._threads
        self._session('audio', self._audio_threads)
        self._session('sampler' if self._loop else 'denoiser', self._width(config.n_motions))

    @classmethod
    def load(cls, folder: Path, device: str = 'auto') -> OnnxBackend:
        """Open a model folder. Raises ModelError or ConfigError naming what is wrong with it."""
        return cls(folder, ModelConfig.load(folder / 'config.json'), device)

    @property
    def provider(self) -> str:
        """ONNX Runtime's name of what runs the graphs."""
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
        return self._run('audio', self._width(mel.shape[0] * mel.shape[1] // 4), mel=mel)

    def encode_style(self, motion: FloatArray) -> FloatArray:
        """Normalised motion (N, F, D) -> style (N, S); StyleError without a style encoder."""
        if not (self._folder / 'style.onnx').is_file():
            raise StyleError('this model folder has no style encoder (style.onnx)')
        if motion.ndim != 3 or motion.shape[2] != self.config.motion_dim:
            raise StyleError(f'style motion of shape {motion.shape}; need (N, F, {self.config.motion_dim})')
        if not 1 <= motion.shape[1] <= LONGEST_STYLE_CLIP:
            raise StyleError(f'a style clip of {motion.shape[1]} frames; give 1 to {LONGEST_STYLE_CLIP}')
        return self._run('style', motion=motion)

    def sample(self, request: WindowRequest, sampling: SamplingConfig) -> FloatArray:
        """Denoise a batch of windows -> x_0 (N, L, D), normalised; see `Backend`."""
        frames = request.noise.shape[1]
        if request.audio.shape[:2] != request.noise.shape[:2]:
            raise ModelError(f'audio features {request.audio.shape} do not fit noise {request.noise.shape}')
        if self._loop and sampling.threshold is None and 0 < frames <= self.config.n_motions:
            return self._sample_in_graph(request, sampling)
        return self._sample_step_by_step(request, sampling)

    def _sample_in_graph(self, request: WindowRequest, sampling: SamplingConfig) -> FloatArray:
        """One call for all steps and branches."""
        plan = self._plan(request, sampling)
        noise = request.noise
        count, frames = noise.shape[:2]
        if not plan.noisy:
            step_noise = np.zeros((len(plan.times), 1, 1, 1), np.float32)
        elif request.step_noise is None:
            raise ConfigError('the ddpm solver needs per-step noise; give step_noise or use ddim')
        else:
            make = request.step_noise
            # The last step takes none; its row only fills the array.
            rows = [make(t) for t in plan.times[:-1]]
            step_noise = np.stack([*rows, np.zeros_like(noise)])
        known, weight = request.known, request.known_weight
        if known is None or weight is None:
            known = weight = np.zeros((1, 1, 1), np.float32)
        indicator = request.indicator
        if indicator is None:
            indicator = np.ones((count, frames), np.float32)
        return self._run(
            'sampler',
            self._width(len(plan.branches) * count * (frames + self.config.n_prev_motions)),
            noise=noise,
            previous_motion=self._or_learned(request.previous_motion, 'start_motion_feat', count),
            previous_audio=self._or_learned(request.previous_audio, 'start_audio_feat', count),
            audio=request.audio,
            indicator=indicator,
            person=np.stack(self._persons(request, plan.branches, sampling)),
            step_noise=step_noise,
            known=known,
            known_weight=weight,
            **plan.feeds,
        )

    def _plan(self, request: WindowRequest, sampling: SamplingConfig) -> _Plan:
        key = (sampling, request.style is None, request.known is None)
        if key not in self._plans:
            if len(self._plans) > 64:  # somebody sweeps a scale
                self._plans.clear()
            branches = branches_for(self.config, request.style is not None, sampling)
            pairs = step_pairs(self._schedule.steps, sampling.steps)
            feeds: dict[str, NDArray[Any]] = {
                'steps': np.array([t for t, _ in pairs], np.int64),
                'table': linear_steps(
                    sampling.solver,
                    self._schedule,
                    pairs,
                    self.config.target,
                    sampling.flexibility,
                    request.known is not None,
                ),
                'heard': np.array([branch.audio for branch in branches]),
                'weights': np.array([branch.weight for branch in branches], np.float32),
            }
            times = tuple(t for t, _ in pairs)
            self._plans[key] = _Plan(branches, feeds, times, sampling.solver == 'ddpm')
        return self._plans[key]

    def _sample_step_by_step(self, request: WindowRequest, sampling: SamplingConfig) -> FloatArray:
        branches = branches_for(self.config, request.style is not None, sampling)
        fixed = self._conditions(request, branches, sampling)
        weights = [branch.weight for branch in branches]
        count, frames = request.noise.shape[:2]
        threads = self._width(len(branches) * count * (frames + self.config.n_prev_motions))

        def predict(x: FloatArray, t: int) -> FloatArray:
            stacked = np.concatenate([x] * len(weights))
            step = np.full(len(stacked), t, np.int64)
            out = self._run('denoiser', threads, motion=stacked, step=step, **fixed)
            if sampling.threshold is not None:
                out = dynamic_threshold(out, *sampling.threshold)
            mixed: FloatArray = mix(out, weights).astype(np.float32, copy=False)
            return mixed

        known = None
        if request.known is not None and request.known_weight is not None:
            known = Known(request.known, request.known_weight)
        result: FloatArray = sample(
            sampling.solver,
            predict,
            request.noise.astype(np.float32, copy=False),
            self._schedule,
            step_pairs(self._schedule.steps, sampling.steps),
            request.step_noise,
            self.config.target,
            known,
            sampling.flexibility,
        )
        return result

    def _conditions(
        self, request: WindowRequest, branches: tuple[Branch, ...], sampling: SamplingConfig
    ) -> dict[str, FloatArray]:
        """What the denoiser is given besides x_t and t, for all branches stacked; fixed for a window."""
        count, frames = request.noise.shape[:2]

        def every(value: FloatArray | None, start: str) -> FloatArray:
            return np.concatenate([self._or_learned(value, start, count)] * len(branches))

        audio = np.concatenate([
            request.audio
            if branch.audio
            else np.broadcast_to(self._learned['null_audio_feat'], request.audio.shape)
            for branch in branches
        ])  # fmt: skip
        before = every(request.previous_audio, 'start_audio_feat')
        memory = self._run_all('memory', 1, {'previous_audio': before, 'audio': audio})
        indicator = (
            request.indicator if request.indicator is not None else np.ones((count, frames), np.float32)
        )
        return {
            **dict(zip(('key', 'value', 'aligned'), memory, strict=True)),
            'person': np.concatenate(self._persons(request, branches, sampling)),
            'previous_motion': every(request.previous_motion, 'start_motion_feat'),
            'indicator': np.concatenate([indicator] * len(branches)),
        }

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

    def _width(self, tokens: int) -> int:
        """Threads for a batch of so many tokens (rows times window)."""
        config = self.config
        weights = config.n_layers * config.feature_dim**2 * (4 + 2 * config.mlp_ratio)
        return self._threads if tokens * weights >= _WIDE_WORK else 1

    def _run(self, graph: str, threads: int = 1, **feeds: NDArray[Any]) -> FloatArray:
        return self._run_all(graph, threads, feeds)[0]

    def _run_all(self, graph: str, threads: int, feeds: dict[str, NDArray[Any]]) -> list[FloatArray]:
        session, names = self._session(graph, threads)
        arrays = {
            name: np.ascontiguousarray(value, np.float32 if value.dtype.kind == 'f' else None)
            for name, value in feeds.items()
            if name in names
        }
        gpu = self.provider != CPU
        try:
            if not (gpu if self._bind is None else self._bind):
                out: list[FloatArray] = session.run(None, arrays)
                return out
            if (graph, threads) not in self._bound:
                place = 'cuda' if gpu else 'cpu'
                self._bound[graph, threads] = BoundSession(session, place, self._device.index)
            return self._bound[graph, threads](arrays)
        except Exception as error:  # ONNX Runtime raises bare classes of its own
            path, reason = self._folder / f'{graph}.onnx', provider_reason(error)
            raise ModelError(
                f'{path} cannot be run ({reason}); if it is not of this config.json, export it again'
            ) from error

    def _session(self, name: str, threads: int = 1) -> tuple[Any, frozenset[str]]:
        """Session of a graph with so many threads, made at its first use, and its input names."""
        if (name, threads) not in self._sessions:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            # A thread that spins while it waits burns a core, also between two hops.
            options.add_session_config_entry('session.intra_op.allow_spinning', '0')
            options.log_severity_level = 3
            path = self._folder / f'{name}.onnx'
            session, self._providers = open_session(path, options, self._providers)
            self._sessions[name, threads] = session, frozenset(i.name for i in session.get_inputs())
        return self._sessions[name, threads]


def _learned_features(folder: Path) -> dict[str, FloatArray]:
    """The start and null features, which are inputs of the graphs, not part of them."""
    from safetensors import SafetensorError, safe_open

    path = folder / 'model.safetensors'
    try:
        with safe_open(str(path), framework='numpy') as file:
            names = [name for name in file.keys() if name.startswith(('start_', 'null_'))]  # noqa: SIM118
            return {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise ModelError(f'{path} is missing or damaged ({error}); copy the model folder again') from error
