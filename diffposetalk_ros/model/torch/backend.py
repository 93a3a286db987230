# SPDX-License-Identifier: Apache-2.0
"""Runs the networks with torch, on a CPU or a GPU."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffposetalk_ros.diffusion.guidance import Branch, dynamic_threshold, mix
from diffposetalk_ros.diffusion.sampler import Inpainting, sample, solver_coefficients
from diffposetalk_ros.diffusion.schedule import NoiseSchedule, timesteps
from diffposetalk_ros.errors import ConfigError, ModelError, StyleError
from diffposetalk_ros.model.backend import FloatArray, SamplingConfig, WindowRequest
from diffposetalk_ros.model.config import LogMelConfig
from diffposetalk_ros.model.device import parse_device
from diffposetalk_ros.model.guided import branches_for, scale_code
from diffposetalk_ros.model.mel_context import clip_mel
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel
from diffposetalk_ros.model.networks.style_encoder import StyleEncoder
from diffposetalk_ros.model.torch.cuda_graph import CudaGraphRunner, GraphMemory
from diffposetalk_ros.util.resources import STYLE_WEIGHTS

__all__ = ['TorchBackend', 'padded_rows', 'usable_device']

_MAX_RUNNERS = 32
"""Runners kept: one for each shape of a window and setting of the sampler in use."""


class TorchBackend:
    """`Backend` over torch modules. Not thread-safe.

    ``device`` is anything that torch accepts ('cpu', 'cuda', 'cuda:1'), with '/bfloat16' or '/float16' for
    networks in half precision. x_t stays float32. On a GPU each kind of window becomes a CUDA graph when
    it is first seen. Raises ModelError for a device that cannot be used, ConfigError for float16 on a CPU.
    """

    def __init__(
        self, model: DiffPoseTalkModel, style_encoder: StyleEncoder | None = None, device: str = 'cpu'
    ) -> None:
        wanted = parse_device(device)
        self._type: torch.dtype = getattr(torch, wanted.precision)
        self._schedule = model.diffusion_sched.schedule()
        self._device = usable_device(wanted.name)
        with _device_errors(wanted.name):  # the model may not fit into its memory
            self._model = model.to(self._device, self._type).eval()
        if wanted.precision == 'float16' and self._device.type == 'cpu':
            raise ConfigError(f"device {device!r}: float16 needs a GPU; use 'cpu/bfloat16' or 'cpu'")
        self._style_encoder = style_encoder.to(self._device).eval() if style_encoder else None
        self._runners: OrderedDict[Hashable, CudaGraphRunner] = OrderedDict()
        self._graphs = self._device.type == 'cuda'
        self._memory = GraphMemory.on(self._device) if self._graphs else None
        self._last_speech: Hashable = None
        self.config = model.config
        self.runner = f'torch on {wanted.spec}'

    @classmethod
    def load(cls, folder: Path, device: str = 'cpu') -> TorchBackend:
        """Open a model folder. Raises ModelError or ConfigError naming what is wrong with it."""
        from diffposetalk_ros.model.store import load_model

        stored = load_model(folder)
        return cls(stored.model, stored.style_encoder, device)

    @torch.inference_mode()
    def encode_audio(self, samples: FloatArray, frames: int) -> FloatArray:
        """Speech (N, n) at 16 kHz -> features (N, frames, C); see `Backend`."""
        if self.config.audio_encoder != 'logmel':
            return self._encode_speech(samples, frames)
        return self.encode_mel(clip_mel(samples, frames, self.config.logmel or LogMelConfig()))

    @torch.inference_mode()
    def encode_mel(self, mel: FloatArray) -> FloatArray:
        """Normalised log mel with context -> features; see `Backend`."""
        return _array(self._model.encode_mel(self._tensor(mel).to(self._type)))

    @torch.inference_mode()
    def encode_style(self, motion: FloatArray) -> FloatArray:
        """Normalised motion (N, F, D) -> style (N, S); StyleError without a style encoder."""
        if self._style_encoder is None:
            raise StyleError(f'this model folder has no style encoder ({STYLE_WEIGHTS})')
        if motion.ndim != 3 or motion.shape[2] != self.config.motion_dim:
            raise StyleError(f'style motion of shape {motion.shape}; need (N, F, {self.config.motion_dim})')
        return _array(self._style_encoder(self._tensor(motion)))

    @torch.inference_mode()
    def sample(self, request: WindowRequest, sampling: SamplingConfig) -> FloatArray:
        """Denoise a batch of windows -> x_0 (N, L, D), normalised; see `Backend`.

        Without a style the null style is used and style guidance is left out. Raises ConfigError
        for impossible sampling settings, ModelError for arrays that do not fit the model.
        """
        if request.audio.shape[:2] != request.noise.shape[:2]:
            raise ModelError(f'audio features {request.audio.shape} do not fit noise {request.noise.shape}')
        steps = timesteps(self._schedule.steps, sampling.steps, sampling.spacing)
        arrays = self._arrays(request, sampling, [t for t, _ in steps])
        count = len(request.noise)
        if self._graphs:
            # Padding keeps the number of graphs small for any number of streams.
            arrays = {name: padded_rows(array, name == 'step_noise') for name, array in arrays.items()}

        def denoising() -> Callable[[Mapping[str, Tensor]], Tensor]:
            branches = branches_for(self.config, request.style is not None, sampling)
            return _Denoising(self._model, self._schedule, branches, sampling, self._type)

        key = (sampling, *((name, array.shape) for name, array in arrays.items()))
        return self._runner(key, arrays, denoising)(arrays)[:count]

    def _encode_speech(self, samples: FloatArray, frames: int) -> FloatArray:
        """Encode with HuBERT or wav2vec2.

        On a GPU, a shape that comes twice in a row becomes a graph. The window of a stream grows during its
        first seconds, and a graph for a shape that never comes again costs more than it saves.
        """
        arrays = {'samples': padded_rows(samples) if self._graphs else samples}

        def encode(given: Mapping[str, Tensor]) -> Tensor:
            return self._model.extract_audio_feature(given['samples'].to(self._type), frames)

        key = ('speech', arrays['samples'].shape, frames)
        again, self._last_speech = key == self._last_speech, key
        if self._graphs and (again or key in self._runners):
            return self._runner(key, arrays, lambda: encode)(arrays)[: len(samples)]
        return _array(encode({'samples': self._tensor(samples)}))

    def _runner(
        self,
        key: Hashable,
        example: Mapping[str, FloatArray],
        make: Callable[[], Callable[[Mapping[str, Tensor]], Tensor]],
    ) -> CudaGraphRunner:
        """Runner for this key, created if missing. A new one replaces the least recently used one."""
        runner = self._runners.pop(key, None)
        if runner is None:
            runner = CudaGraphRunner(make(), example, self._device, self._memory)
            if len(self._runners) >= _MAX_RUNNERS:
                self._runners.popitem(last=False)
        self._runners[key] = runner
        return runner

    def _arrays(
        self, request: WindowRequest, sampling: SamplingConfig, times: list[int]
    ) -> dict[str, FloatArray]:
        """Arrays that change from window to window, by name; step_noise is (steps - 1, N, L, D)."""
        names = ('noise', 'audio', 'previous_motion', 'previous_audio', 'style', 'shape', 'indicator')
        given = {name: getattr(request, name) for name in names}
        arrays = {name: np.asarray(value, np.float32) for name, value in given.items() if value is not None}
        if request.inpainting is not None:
            arrays['target'] = np.asarray(request.inpainting.target, np.float32)
            arrays['mask'] = np.asarray(request.inpainting.mask, np.float32)
        code = scale_code(self.config, request.style is not None, sampling)
        if code is not None:
            arrays['scales'] = np.tile(code, (len(request.noise), 1))
        if sampling.solver == 'ddpm' and request.step_noise is not None:
            drawn = [request.step_noise(t) for t in times[:-1]]  # the last step takes none
            arrays['step_noise'] = (
                np.stack(drawn) if drawn else np.zeros((0, *request.noise.shape), np.float32)
            )
        return arrays

    def _tensor(self, array: NDArray[np.floating]) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(array, np.float32), device=self._device)


class _Denoising:
    """Tensors of a window -> x_0 (N, L, D): the whole loop, without host synchronisation.

    All branches run as one batch, and keys and values of the audio are computed once.
    """

    def __init__(
        self,
        model: DiffPoseTalkModel,
        schedule: NoiseSchedule,
        branches: tuple[Branch, ...],
        sampling: SamplingConfig,
        kind: torch.dtype,
    ) -> None:
        self._model, self._branches, self._sampling = model, branches, sampling
        self._schedule = schedule  # float32, whatever the precision of the networks
        self._type = kind

    def __call__(self, given: Mapping[str, Tensor]) -> Tensor:
        sampling, schedule = self._sampling, self._schedule
        steps = timesteps(schedule.steps, sampling.steps, sampling.spacing)
        inpainting = Inpainting(given['target'], given['mask']) if 'target' in given else None
        rows = solver_coefficients(
            sampling.solver, schedule, steps, self._model.config.target, sampling.flexibility,
            inpainting is not None,
        )  # fmt: skip
        times, fresh = [t for t, _ in steps], given.get('step_noise')
        out: Tensor = sample(
            _Prediction(self._model, given, self._branches, sampling, self._type),
            given['noise'],
            steps,
            rows,
            None if fresh is None else lambda t: fresh[times.index(t)],
            inpainting,
        )
        return out


class _Prediction:
    """(x_t, t) -> guided output for the L current frames of one window."""

    def __init__(
        self,
        model: DiffPoseTalkModel,
        given: Mapping[str, Tensor],
        branches: tuple[Branch, ...],
        sampling: SamplingConfig,
        kind: torch.dtype,
    ) -> None:
        count, frames = given['noise'].shape[:2]

        def network(name: str) -> Tensor | None:
            return given[name].to(kind) if name in given else None

        def every(name: str, start: Tensor) -> Tensor:
            value = network(name)
            value = start.expand(count, -1, -1) if value is None else value
            return value.repeat(len(branches), 1, 1)

        self._weights = [branch.weight for branch in branches]
        self._net, self._type = model.denoising_net, kind
        self._threshold = sampling.threshold
        audio, style, shape = given['audio'].to(kind), network('style'), network('shape')
        if style is None and model.config.style_dim:
            style = model.null_style(count)
        self._cache = self._net.project_kv(
            every('previous_audio', model.start_audio_feat),
            torch.cat([audio if b.audio else model.null_audio(count, frames) for b in branches]),
        )
        persons = [
            model.person_feature(
                shape, style if b.style or style is None else model.null_style(count), network('scales')
            )
            for b in branches
        ]
        present = [person for person in persons if person is not None]
        self._person = torch.cat(present) if present else None
        self._previous = every('previous_motion', model.start_motion_feat)
        indicator = network('indicator')
        self._indicator = None if indicator is None else indicator.repeat(len(branches), 1)

    def __call__(self, x: Tensor, t: int) -> Tensor:
        count = len(self._weights)
        step = torch.full((count * x.shape[0],), t, dtype=torch.long, device=x.device)
        stacked = x.to(self._type).repeat(count, 1, 1)
        out = self._net.denoise(stacked, self._cache, self._person, self._previous, step, self._indicator)[
            :, -x.shape[1] :
        ].float()
        if self._threshold is not None:
            out = dynamic_threshold(out, *self._threshold)
        mixed: Tensor = mix(out, self._weights)
        return mixed


def usable_device(name: str) -> torch.device:
    """Device of a name such as 'cpu', 'cuda' or 'cuda:1'. Raises ModelError if torch cannot use it."""
    with _device_errors(name):
        device = torch.device(name)
        torch.empty(1, device=device)
    return device


@contextmanager
def _device_errors(name: str) -> Iterator[None]:
    """Turn torch's own errors about a device into a ModelError."""
    try:
        yield
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"device {name!r} cannot be used ({reason}); try 'cpu'") from error


def padded_rows(array: FloatArray, second: bool = False) -> FloatArray:
    """Pad the first axis (or the ``second``) to a power of two by repeating its last row."""
    axis = int(second)
    count = array.shape[axis]
    surplus = (1 << (count - 1).bit_length()) - count
    if not surplus:
        return array
    last = array.take([-1], axis=axis)
    return np.concatenate([array, *[last] * surplus], axis=axis)


def _array(tensor: Tensor) -> FloatArray:
    result: FloatArray = tensor.float().cpu().numpy()
    return result
