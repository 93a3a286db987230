# SPDX-License-Identifier: Apache-2.0
"""Runs the exported networks with ONNX Runtime: no torch needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.diffusion.guidance import Branch, dynamic_threshold, guidance_branches, mix
from diffposetalk_ros.diffusion.samplers import Known, sample
from diffposetalk_ros.diffusion.schedule import make_schedule, step_pairs
from diffposetalk_ros.errors import ConfigError, ModelError, StyleError
from diffposetalk_ros.model.backend import FloatArray, SamplingConfig, WindowRequest
from diffposetalk_ros.model.config import LogMelConfig, ModelConfig
from diffposetalk_ros.model.mel_context import clip_mel

__all__ = ['LONGEST_STYLE_CLIP', 'OnnxBackend', 'providers']

LONGEST_STYLE_CLIP = 750
"""Frames the exported style encoder takes at most: 30 s at 25 fps."""
_GRAPHS = ('audio', 'memory', 'denoiser')


def providers(device: str) -> list[str]:
    """Execution providers for 'auto', 'cpu', 'cuda' or 'tensorrt', best first; the CPU always last.

    Raises ConfigError for another word, ModelError when the wanted one is not in this build.
    """
    import onnxruntime

    wanted = {
        'cpu': [],
        'cuda': ['CUDAExecutionProvider'],
        'tensorrt': ['TensorrtExecutionProvider', 'CUDAExecutionProvider'],
    }
    have = onnxruntime.get_available_providers()
    if device == 'auto':
        return [name for name in ('CUDAExecutionProvider',) if name in have] + ['CPUExecutionProvider']
    if device not in wanted:
        raise ConfigError(f"device {device!r}; use 'auto', 'cpu', 'cuda' or 'tensorrt'")
    missing = [name for name in wanted[device] if name not in have]
    if missing:
        raise ModelError(
            f'{missing[0]} is not in this build of ONNX Runtime; pip install onnxruntime-gpu instead of '
            "onnxruntime, or use device 'cpu'"
        )
    return wanted[device] + ['CPUExecutionProvider']


class OnnxBackend:
    """`Backend` over the graphs `export_onnx` wrote. Not thread-safe; arrays are float32 NumPy."""

    def __init__(self, folder: Path, config: ModelConfig, device: str = 'auto', threads: int = 1) -> None:
        import onnxruntime

        self.config = config
        options = onnxruntime.SessionOptions()
        # A hop is so small that a second thread costs more than it saves; spinning burns a core.
        options.intra_op_num_threads = threads
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        options.log_severity_level = 3
        chosen = providers(device)
        self._sessions: dict[str, Any] = {}
        for name in (*_GRAPHS, 'style'):
            path = folder / f'{name}.onnx'
            if path.is_file():
                try:
                    self._sessions[name] = onnxruntime.InferenceSession(str(path), options, providers=chosen)
                except Exception as error:  # ONNX Runtime raises bare classes of its own
                    reason = str(error).splitlines()[0]
                    raise ModelError(f'{path} cannot be loaded ({reason}); export it again') from error
            elif name != 'style':
                raise ModelError(
                    f'no {path.name} in {folder}; write it with: diffposetalk export --model {folder}'
                )
        self._learned = _learned_features(folder)
        self._schedule = make_schedule(config.diff_schedule, config.n_diff_steps)

    @classmethod
    def load(cls, folder: Path, device: str = 'auto') -> OnnxBackend:
        """Open a model folder. Raises ModelError or ConfigError naming what is wrong with it."""
        return cls(folder, ModelConfig.load(folder / 'config.json'), device)

    def encode_audio(self, samples: FloatArray, frames: int) -> FloatArray:
        """Speech (N, n) at 16 kHz -> features (N, frames, C); see `Backend`."""
        return self.encode_mel(clip_mel(samples, frames, self.config.logmel or LogMelConfig()))

    def encode_mel(self, mel: FloatArray) -> FloatArray:
        """Normalised log mel with context -> features; see `Backend`."""
        return self._run('audio', mel=mel)[0]

    def encode_style(self, motion: FloatArray) -> FloatArray:
        """Normalised motion (N, F, D) -> style (N, S); StyleError without a style encoder."""
        if 'style' not in self._sessions:
            raise StyleError('this model folder has no style encoder (style.onnx)')
        if motion.ndim != 3 or motion.shape[2] != self.config.motion_dim:
            raise StyleError(f'style motion of shape {motion.shape}; need (N, F, {self.config.motion_dim})')
        if not 1 <= motion.shape[1] <= LONGEST_STYLE_CLIP:
            raise StyleError(f'a style clip of {motion.shape[1]} frames; give 1 to {LONGEST_STYLE_CLIP}')
        return self._run('style', motion=motion)[0]

    def sample(self, request: WindowRequest, sampling: SamplingConfig) -> FloatArray:
        """Denoise a batch of windows -> x_0 (N, L, D), normalised; see `Backend`."""
        conditions = set(self.config.guiding_conditions)
        if request.style is None:
            conditions.discard('style')
        branches = guidance_branches(
            conditions, sampling.guidance, sampling.scale_audio, sampling.scale_style
        )
        fixed = self._conditions(request, branches)
        weights = [branch.weight for branch in branches]

        def predict(x: FloatArray, t: int) -> FloatArray:
            stacked = np.concatenate([x] * len(weights))
            step = np.full(len(stacked), t, np.int64)
            out = self._run('denoiser', motion=stacked, step=step, **fixed)[0]
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

    def _conditions(self, request: WindowRequest, branches: tuple[Branch, ...]) -> dict[str, FloatArray]:
        """What the denoiser is given besides x_t and t, for all branches stacked; fixed for a window."""
        count, frames = request.noise.shape[:2]
        if request.audio.shape[:2] != (count, frames):
            raise ModelError(f'audio features {request.audio.shape} do not fit noise {request.noise.shape}')

        def every(value: FloatArray | None, start: str) -> FloatArray:
            if value is None:
                value = np.broadcast_to(self._learned[start], (count, *self._learned[start].shape[1:]))
            return np.concatenate([value] * len(branches))

        null_audio = np.broadcast_to(self._learned['null_audio_feat'], request.audio.shape)
        null_style = np.broadcast_to(self._learned['null_style_feat'][:, 0], (count, self.config.style_dim))
        style = null_style if request.style is None else request.style
        if style.shape[-1] != self.config.style_dim:
            raise ModelError(
                f'a style code of {style.shape[-1]} numbers; this model takes {self.config.style_dim}'
            )
        persons = [style if branch.style else null_style for branch in branches]
        if request.shape is not None:
            persons = [np.concatenate([request.shape, person], axis=-1) for person in persons]
        audio = np.concatenate([request.audio if branch.audio else null_audio for branch in branches])
        before = every(request.previous_audio, 'start_audio_feat')
        key, value, aligned = self._run('memory', previous_audio=before, audio=audio)
        indicator = (
            request.indicator if request.indicator is not None else np.ones((count, frames), np.float32)
        )
        return {
            'key': key,
            'value': value,
            'aligned': aligned,
            'person': np.concatenate(persons),
            'previous_motion': every(request.previous_motion, 'start_motion_feat'),
            'indicator': np.concatenate([indicator] * len(branches)),
        }

    def _run(self, graph: str, **feeds: NDArray[Any]) -> list[FloatArray]:
        session = self._sessions[graph]
        names = {entry.name for entry in session.get_inputs()}
        arrays = {
            name: np.ascontiguousarray(value, None if value.dtype == np.int64 else np.float32)
            for name, value in feeds.items()
            if name in names
        }
        out: list[FloatArray] = session.run(None, arrays)
        return out


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
