# SPDX-License-Identifier: Apache-2.0
"""Opens a model folder: backend, statistics and named styles."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import ConfigError, ModelError, StyleError, reason_of
from diffposetalk_ros.model.backend import Backend, FloatArray, SamplingConfig, WindowRequest
from diffposetalk_ros.model.clip_style import clip_style
from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.model.device import has_nvidia_driver, parse_device
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.motion.normalisation import denormalise_motion, normalise_motion
from diffposetalk_ros.nonverbal.jaw import jaw_as_asked
from diffposetalk_ros.nonverbal.network import NonverbalNetwork
from diffposetalk_ros.nonverbal.smile import smile_beside_speech
from diffposetalk_ros.nonverbal.stream import NonverbalStream
from diffposetalk_ros.nonverbal.traits import TRAITS, Traits, measure_traits
from diffposetalk_ros.util.base_folder import BaseFolder
from diffposetalk_ros.util.resources import (
    CONFIG,
    FLAME_STATS,
    NONVERBAL,
    STATS,
    STYLES,
    WEIGHTS,
    find_model,
    graph_file,
)
from diffposetalk_ros.util.small_file import read_small_text

__all__ = [
    'NEUTRAL', 'FlameNumbers', 'LoadedModel', 'load_backend', 'motion_statistics',
    'named_styles', 'nonverbal_network', 'open_model', 'set_backend_factory',
]  # fmt: skip

NEUTRAL = 'neutral'
"""Name of the default style."""
# Errors that numpy and zipfile raise on files of other formats.
_UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    OSError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
)
_MAX_FILE_BYTES = 1 << 24
"""Bytes: no file of styles or identities comes near; a header may promise terabytes."""
_MAX_STYLE = 1e3


@dataclass(frozen=True)
class FlameNumbers:
    """Numbers that FLAME output needs besides the motion columns (docs/method.md, 1.3, 1.4).

    ``shape_mean`` and ``shape_std`` (100,) normalise an identity. ``jaw_rest`` (2,) is the jaw's second and
    third angle in radians, which no model predicts: the mean of the statistics.
    """

    shape_mean: NDArray[np.float32]
    shape_std: NDArray[np.float32]
    jaw_rest: NDArray[np.float32]

    @property
    def shape_scale(self) -> NDArray[np.float32]:
        """Divisors (100,) of an identity: 1 where the deviation is 0 (one identity in the data)."""
        return np.where(self.shape_std > 0, self.shape_std, np.float32(1))


@dataclass(frozen=True)
class LoadedModel:
    """A backend with its statistics, styles and other numbers.

    ``mean`` and ``std`` (D,) normalise motion (`normalise_motion`). ``styles`` maps names to vectors
    (`style_width`,). ``flame`` holds the numbers of an imported FLAME model, and ``nonverbal`` the network of head,
    brows and smile of a model that has one.
    """

    folder: Path
    backend: Backend
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    styles: dict[str, FloatArray]
    flame: FlameNumbers | None = None
    nonverbal: NonverbalNetwork | None = None

    def __repr__(self) -> str:
        config, backend = self.backend.config, self.backend.runner
        return (
            f'LoadedModel({self.folder.name}: {config.space} at {config.fps} frames/s, {backend}, '
            f'{len(self.styles)} styles)'
        )

    def checksum(self) -> str:
        """SHA-256 of the network's weights, or of its graph where only that is there; reads the file."""
        for name in (WEIGHTS, graph_file('sampler')):
            if (self.folder / name).is_file():
                return hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
        return hashlib.sha256(b'').hexdigest()

    @property
    def style_width(self) -> int:
        """Length of a style: the denoiser's vector and, if there is a nonverbal network, the traits."""
        return self.backend.config.style_dim + (len(TRAITS) if self.nonverbal else 0)

    def style_parts(self, style: FloatArray | None) -> tuple[FloatArray | None, Traits | None]:
        """The denoiser's part of a style (S,), and its traits. Without a style these are the null style and the
        traits of the style named neutral."""
        if style is None:
            neutral = self.styles.get(NEUTRAL)
            return None, None if neutral is None or self.nonverbal is None else self.style_parts(neutral)[1]
        if self.nonverbal is None:
            return style, None
        width = self.backend.config.style_dim
        return style[:width], Traits(style[width:])

    def style_of(self, motion: FloatArray) -> FloatArray:
        """Style (`style_width`,) of motion (F, D) in the units of the layout, at the model's frame rate.

        The denoiser's part is the mean over stretches of 4 s; traits are measured on the whole clip. Raises
        StyleError where the motion is too short.
        """
        config = self.backend.config
        vector = clip_style(config, self.backend.encode_style, self.normalise(motion))
        if self.nonverbal is None:
            return vector
        traits = measure_traits(motion, config.fps)
        if self.nonverbal.reference is not None:
            made, jaw = self._articulated(vector), config.layout.index('jawOpen')
            gain, offset = jaw_as_asked(made[:, jaw], motion[:, jaw])
            traits = smile_beside_speech(traits, made, config.fps)
            traits = traits.replaced('jaw_gain', gain).replaced('jaw_offset', offset)
        return np.concatenate([vector, traits.vector])

    def _articulated(self, vector: FloatArray) -> FloatArray:
        """Motion (100, D) that the denoiser generates in this style for four seconds of known speech."""
        assert self.nonverbal is not None and self.nonverbal.reference is not None
        config, audio = self.backend.config, self.nonverbal.reference
        frames = len(audio)
        request = WindowRequest(
            audio=audio[None],
            noise=np.zeros((1, frames, config.motion_dim), np.float32),
            previous_motion=None,
            previous_audio=None,
            style=vector[None],
            shape=None,
            indicator=np.ones((1, frames), np.float32) if config.use_indicator else None,
            step_noise=lambda _: np.zeros((1, frames, config.motion_dim), np.float32),
        )
        return self.denormalise(self.backend.sample(request, SamplingConfig(steps=4, scale_audio=1.0))[0])

    def nonverbal_motion(
        self, style: FloatArray | None, seed: int = 0, stream: int = 0, normalised: bool = True
    ) -> NonverbalStream | None:
        """A stream that adds nonverbal motion; None for models without that network.

        It takes and returns motion in model space or, if not ``normalised``, in the units of the layout.
        """
        traits = self.style_parts(style)[1]
        if self.nonverbal is None or traits is None:
            return None
        zero, one = np.zeros_like(self.mean), np.ones_like(self.std)
        mean, std = (self.mean, self.std) if normalised else (zero, one)
        return NonverbalStream(self.nonverbal, traits, mean, std, seed, stream)

    def normalise(self, motion: FloatArray) -> FloatArray:
        """Normalise motion (..., D) given in the units of the layout."""
        return normalise_motion(motion, self.mean, self.std)

    def denormalise(self, motion: FloatArray) -> FloatArray:
        """Motion (..., D) in the units of the layout. ARKit channels are clamped to their range.

        FLAME coefficients have no bounds.
        """
        raw = denormalise_motion(motion, self.mean, self.std)
        if self.backend.config.space == 'arkit':
            channels = self.backend.config.layout.channels
            low = np.array([c.lower for c in channels], np.float32)
            raw = np.clip(raw, low, np.array([c.upper for c in channels], np.float32))
        out: FloatArray = raw.astype(np.float32)
        return out

    def clip(
        self, motion: FloatArray, meta: Mapping[str, Any], shape: FloatArray | None = None
    ) -> MotionClip:
        """Generated motion (F, D), normalised, as a clip in the units of the layout.

        A FLAME clip also carries ``jaw_rest`` and ``shape`` in its meta, so that a file of it holds exp, pose and
        shape (docs/method.md, 1.4). ``shape``: its normalised identity (100,); None: the mean of the data.
        """
        config, told = self.backend.config, dict(meta)
        if self.flame is not None:
            told['jaw_rest'] = self.flame.jaw_rest.tolist()
            if config.shape_dim:
                raw = (
                    self.flame.shape_mean
                    if shape is None
                    else shape * self.flame.shape_scale + self.flame.shape_mean
                )
                told['shape'] = raw.tolist()
        return MotionClip(self.denormalise(motion), float(config.fps), config.layout, told)

    def style(
        self, wanted: str | Path | FloatArray | None, files: BaseFolder | None = None
    ) -> FloatArray | None:
        """Style vector (S,) for a name, a file (.npy, .npz; a Path is one) or a vector; None is the null style.

        ``files``: folder in which a file must lie; without it, any folder is allowed.
        Names can be blended, as in 'lively*0.7+smiling*0.3'; a missing factor is 1. If a model has no style
        named neutral, that name means the null style. Raises StyleError naming the existing styles or the
        expected length.
        """
        if wanted is None or (isinstance(wanted, str) and wanted == NEUTRAL and NEUTRAL not in self.styles):
            return None
        if isinstance(wanted, str):
            wanted = self._named_style(wanted, files)
        elif isinstance(wanted, Path):
            wanted = self._style_file(str(wanted), files)
        width = self.style_width
        vector = np.asarray(wanted, np.float32).reshape(-1)
        if vector.shape != (width,):
            old = self.nonverbal is not None and self.backend.config.style_dim <= vector.size < width
            more = (
                ' (it is of an older version with fewer traits: extract it again from its clip)'
                if old
                else ''
            )
            raise StyleError(f'a style of {vector.size} numbers; this model takes {width}{more}')
        if not (np.abs(vector) <= _MAX_STYLE).all():
            raise StyleError(
                f'the style contains NaN or numbers beyond {_MAX_STYLE:g}; extract it again or lower the weights'
            )
        return vector

    def shape(self, source: str | Path | FloatArray) -> FloatArray:
        """Normalised FLAME identity (100,), from raw coefficients or from a file of them.

        ``source``: an array of one or more rows of 100, an .npy file of them, or an .npz file with the
        key shape. Raises ModelError for a model without identity or for what does not fit (docs/method.md, 1.5).
        """
        width = self.backend.config.shape_dim
        if not width or self.flame is None:
            raise ModelError(f'{self.folder.name} takes no identity; leave out the shape')
        if isinstance(source, np.ndarray):
            path, raw = 'the array', np.asarray(source, np.float32)
        else:
            path = str(source)
            try:
                raw = _numbers(Path(source), 'shape')
            except _UNREADABLE as error:
                raise ModelError(
                    f'{path} is not a file of FLAME shape coefficients ({reason_of(error)}); use .npy, or '
                    '.npz with the key shape'
                ) from error
        row = raw.reshape(-1, raw.shape[-1])[0] if raw.ndim and raw.size else raw.reshape(-1)
        if row.shape != (width,):
            raise ModelError(f'{path} holds {row.size} shape coefficients; this model takes {width}')
        if not np.isfinite(row).all():
            raise ModelError(f'{path} holds NaN or infinite shape coefficients; fit the face again')
        return normalise_motion(row, self.flame.shape_mean, self.flame.shape_scale)

    def _named_style(self, name: str, files: BaseFolder | None) -> FloatArray:
        if name in self.styles:
            return self.styles[name]
        parts = [part.partition('*') for part in name.split('+')]
        unknown = [part.strip() for part, _, _ in parts if part.strip() not in self.styles]
        if len(parts) == 1 and not parts[0][1]:
            return self._style_file(name, files)
        if unknown and _file_of(name, files):  # a file name may contain + and *
            return self._style_file(name, files)
        vectors = np.stack(
            [
                self.styles[part.strip()]
                if part.strip() in self.styles
                else self._style_file(part.strip(), files)
                for part, _, _ in parts
            ]
        )
        try:
            shares = np.array([float(share) if star else 1.0 for _, star, share in parts])
        except ValueError as error:
            raise StyleError(f'style blend {name!r}: write it as lively*0.7+smiling*0.3') from error
        if not (np.abs(shares) <= _MAX_STYLE).all():
            raise StyleError(f'style blend {name!r}: lower the weights; at most {_MAX_STYLE:g} each')
        out: FloatArray = (shares @ vectors).astype(np.float32)
        if len(parts) == 1 and NEUTRAL in self.styles:
            # A single style with a factor: interpolated from neutral, or extrapolated for a factor above 1.
            out = (out + (1 - shares[0]) * self.styles[NEUTRAL]).astype(np.float32)
        return out

    def _style_file(self, name: str, files: BaseFolder | None) -> FloatArray:
        path = _file_of(name, files)
        if path is None:
            near = get_close_matches(name.lower(), self.styles, n=3)
            hint = f'; did you mean {" or ".join(map(repr, near))}?' if near else ''
            raise StyleError(
                f'no style {_short(name)!r}: not a file{f" in {files.folder}" if files else ""}, and the model knows '
                f'{", ".join(sorted(self.styles)) or "none"}{hint}'
            )
        try:
            return _numbers(path, 'style')
        except _UNREADABLE as error:
            raise StyleError(
                f'{path} is not a style file ({reason_of(error)}); use .npy from extract-style, or .npz '
                'with the key style'
            ) from error


def _file_of(name: str, files: BaseFolder | None) -> Path | None:
    """The file of that name, among ``files`` where they are given; None where there is none."""
    try:
        path = Path(name).expanduser() if files is None else files.find(name)
        return path if path is not None and path.is_file() else None
    except (OSError, RuntimeError, ValueError):  # a name that is too long, or the home of an unknown user
        return None


def _numbers(path: Path, key: str) -> FloatArray:
    """Array of an .npy file or of one key of an .npz file."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    else:
        size = path.stat().st_size
    if size > _MAX_FILE_BYTES:
        raise ValueError(f'{size / 1e6:.0f} MB')
    try:
        loaded = np.load(path, allow_pickle=False)
        if hasattr(loaded, 'files'):
            with loaded:
                if key not in loaded.files:
                    raise ValueError(f'no key {key}, only {", ".join(loaded.files) or "none"}')
                loaded = loaded[key]
    except MemoryError as error:
        raise ValueError('its header promises more data than the file contains') from error
    if loaded.dtype.kind not in 'fiu':
        raise ValueError(f'{loaded.dtype} instead of numbers')
    return np.asarray(loaded, np.float32)


def _short(name: str) -> str:
    return name if len(name) <= 80 else f'{name[:77]}...'


def load_backend(folder: Path, backend: str = 'auto', device: str = 'auto') -> Backend:
    """Open the networks of a model folder.

    Args:
        folder: model folder.
        backend: 'onnx', 'torch' or 'auto'. 'auto' takes torch for half precision and on a GPU that torch can
            use, otherwise ONNX Runtime if the folder holds graphs.
        device: 'cpu', 'cuda', 'cuda:1', 'tensorrt' (ONNX Runtime only) or 'auto', with '/bfloat16' or
            '/float16' for half precision. 'auto' takes a GPU if there is one, but the CPU for a model as
            light as the embedded one.

    Raises ConfigError for another name, ModelError if neither ONNX Runtime nor torch is installed or the
    folder is damaged.
    """
    if backend not in ('auto', 'onnx', 'torch'):
        raise ConfigError(f"backend {backend!r}; use 'auto', 'onnx' or 'torch'")
    wanted = parse_device(device)
    if wanted.kind == 'auto' and (not has_nvidia_driver() or _is_light(folder)):
        wanted = replace(wanted, kind='cpu')
    has_graphs = (folder / graph_file('sampler')).is_file() and find_spec('onnxruntime') is not None
    has_torch = find_spec('torch') is not None
    on_gpu = has_torch and wanted.kind in ('auto', 'cuda') and _torch_has_cuda()
    halved = has_torch and wanted.kind != 'tensorrt' and wanted.precision != 'float32'
    if backend == 'onnx' or (backend == 'auto' and has_graphs and not (on_gpu or halved)):
        from diffposetalk_ros.model.onnx.backend import OnnxBackend

        return OnnxBackend.load(folder, wanted.spec)
    if not has_torch:
        raise ModelError(
            f'{folder} needs torch, which is not installed; pip install torch, or write ONNX graphs '
            'where torch is: diffposetalk export --model DIR'
        )
    from diffposetalk_ros.model.torch.backend import TorchBackend

    if wanted.kind == 'auto':
        wanted = replace(wanted, kind='cuda' if on_gpu else 'cpu')
    return TorchBackend.load(folder, wanted.spec)


def _is_light(folder: Path) -> bool:
    """Whether a CPU computes a hop faster than a GPU call takes."""
    return ModelConfig.load(folder / CONFIG).audio_encoder == 'logmel'


def _torch_has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


_factory: Callable[[Path, str, str], Backend] = load_backend


def set_backend_factory(factory: Callable[[Path, str, str], Backend] = load_backend) -> None:
    """Set what makes the backends of `open_model`, for a process whose avatars share one."""
    global _factory
    _factory = factory


def open_model(
    name: str | Path, backend: str = 'auto', device: str = 'auto', *, shared: bool = True
) -> LoadedModel:
    """Open a model by folder or by the name of a bundled model. See `load_backend` for errors.

    ``shared`` allows a backend that others in this process use (`set_backend_factory`).
    """
    folder = find_model(name)
    runner = (_factory if shared else load_backend)(folder, backend, device)
    mean, std = motion_statistics(folder, runner.config.motion_dim)
    return LoadedModel(
        folder,
        runner,
        mean,
        std,
        named_styles(folder),
        _flame_numbers(folder, runner),
        nonverbal_network(folder),
    )


def _flame_numbers(folder: Path, runner: Backend) -> FlameNumbers | None:
    path = folder / FLAME_STATS
    if runner.config.space != 'flame' or not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, Any] = {key: np.asarray(file[key], np.float32) for key in file.files}
        numbers = FlameNumbers(arrays['shape_mean'], arrays['shape_std'], arrays['pose_mean'][4:6])
    except _UNREADABLE as error:
        raise ModelError(f'{path} is damaged ({reason_of(error)}); import the checkpoint again') from error
    if [array.shape for array in vars(numbers).values()] != [(100,), (100,), (2,)]:
        raise ModelError(f'{path} has statistics of other lengths; import the checkpoint again')
    return numbers


def motion_statistics(folder: Path, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation (width,) of the motion. Raises ModelError if stats.json is missing or damaged."""
    path = folder / STATS
    try:
        stats = json.loads(read_small_text(path))
        mean, std = (np.asarray(stats[key], np.float32) for key in ('mean', 'std'))
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelError(f'{path} is missing or damaged ({error}); copy the model folder again') from error
    if mean.shape != (width,) or std.shape != (width,):
        raise ModelError(f'{path} holds {mean.size} numbers per row; this model needs {width}')
    if not np.isfinite(mean).all() or not (std > 0).all() or not np.isfinite(std).all():
        raise ModelError(
            f'{path} holds NaN, infinite numbers or deviations of 0; copy the model folder again'
        )
    return mean, std


def named_styles(folder: Path) -> dict[str, FloatArray]:
    """Named styles of a model folder: name -> vector (S,). Raises ModelError for a damaged file."""
    path = folder / STYLES
    if not path.is_file():
        return {}
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return {name: value.astype(np.float32) for name, value in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise ModelError(f'{path} is damaged ({error}); copy it again') from error


def nonverbal_network(folder: Path) -> NonverbalNetwork | None:
    """The nonverbal network of a model folder, None where there is none. Raises ModelError for a damaged file."""
    path = folder / NONVERBAL
    if not path.is_file():
        return None
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return NonverbalNetwork(load_file(path))
    except (SafetensorError, OSError) as error:
        raise ModelError(f'{path} is damaged ({error}); copy it again') from error
