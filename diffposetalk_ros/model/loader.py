# SPDX-License-Identifier: Apache-2.0
"""Model folder -> what a program needs to run it: backend, statistics, named styles."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import ConfigError, ModelError, StyleError
from diffposetalk_ros.model.backend import Backend, FloatArray
from diffposetalk_ros.resources import find_model

__all__ = ['LoadedModel', 'load_backend', 'named_styles', 'open_model']

STYLES = 'styles.safetensors'


@dataclass(frozen=True)
class LoadedModel:
    """A backend with the numbers around it.

    mean and std (D,): model space = (x - mean) / std. ``styles``: name -> vector (S,).
    """

    folder: Path
    backend: Backend
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    styles: dict[str, FloatArray]

    def normalise(self, motion: FloatArray) -> FloatArray:
        """Motion (..., D) in units of the layout -> model space."""
        out: FloatArray = ((motion - self.mean) / self.std).astype(np.float32)
        return out

    def denormalise(self, motion: FloatArray) -> FloatArray:
        """Model space (..., D) -> units of the layout, held inside each channel's range."""
        channels = self.backend.config.layout.channels
        low = np.array([c.lower for c in channels], np.float32)
        high = np.array([c.upper for c in channels], np.float32)
        out: FloatArray = np.clip(motion * self.std + self.mean, low, high).astype(np.float32)
        return out

    def style(self, wanted: str | FloatArray | None) -> FloatArray | None:
        """A style by name, by file (.npy) or as a vector; None is the model's null style.

        Raises StyleError naming the styles there are, or the length that was expected.
        """
        if wanted is None:
            return None
        if isinstance(wanted, str):
            wanted = self.styles[wanted] if wanted in self.styles else self._style_file(wanted)
        width = self.backend.config.style_dim
        vector = np.asarray(wanted, np.float32).reshape(-1)
        if vector.shape != (width,):
            raise StyleError(f'a style of {vector.size} numbers; this model takes {width}')
        if not np.isfinite(vector).all():
            raise StyleError('the style holds NaN or infinite numbers; extract it again')
        return vector

    def shape(self, path: Path) -> FloatArray:
        """FLAME identity of a file (.npy of 100 numbers or more rows, .npz with `shape`), normalised.

        Raises ModelError for a model without identity or a file that does not fit (SPEC 1.5).
        """
        width = self.backend.config.shape_dim
        stats = self.folder / 'stats.npz'
        if not width or not stats.is_file():
            raise ModelError(f'{self.folder.name} takes no identity; leave --shape out')
        try:
            loaded = np.load(path, allow_pickle=False)
            raw = np.asarray(loaded['shape'] if hasattr(loaded, 'files') else loaded, np.float32)
            with np.load(stats, allow_pickle=False) as numbers:
                mean, std = numbers['shape_mean'], numbers['shape_std']
        except (ValueError, KeyError, OSError, EOFError) as error:
            raise ModelError(f'{path} is not a file of FLAME shape coefficients ({error})') from error
        row = raw.reshape(-1, raw.shape[-1])[0] if raw.ndim else raw
        if row.shape != (width,):
            raise ModelError(f'{path} holds {row.size} shape coefficients; this model takes {width}')
        out: FloatArray = ((row - mean) / std).astype(np.float32)
        return out

    def _style_file(self, name: str) -> FloatArray:
        path = Path(name).expanduser()
        if not path.is_file():
            raise StyleError(
                f'no style {name!r}: not a file, and the model knows '
                f'{", ".join(sorted(self.styles)) or "none"}'
            )
        try:
            loaded = np.load(path, allow_pickle=False)
            return np.asarray(loaded['style'] if hasattr(loaded, 'files') else loaded, np.float32)
        except (ValueError, KeyError, OSError, EOFError) as error:
            raise StyleError(f'{path} is not a style file ({error}); use .npy from extract-style') from error


def load_backend(folder: Path, backend: str = 'auto', device: str = 'auto') -> Backend:
    """Open the networks of a model folder.

    ``backend``: 'onnx', 'torch', or 'auto' (ONNX Runtime where the folder holds graphs and no GPU is
    asked for, else torch). ``device``: 'auto', 'cpu' or 'cuda'. Raises ConfigError for another name,
    ModelError when neither run time is installed or the folder is not sound.
    """
    if backend not in ('auto', 'onnx', 'torch'):
        raise ConfigError(f"backend {backend!r}; use 'auto', 'onnx' or 'torch'")
    has_graphs = (folder / 'denoiser.onnx').is_file() and find_spec('onnxruntime') is not None
    if backend == 'onnx' or (backend == 'auto' and has_graphs and not device.startswith('cuda')):
        from diffposetalk_ros.model.onnx_backend import OnnxBackend

        return OnnxBackend.load(folder, device)
    if find_spec('torch') is None:
        raise ModelError(
            f'{folder} needs torch, which is not installed; pip install torch, or write ONNX graphs '
            'where torch is: diffposetalk export --model DIR'
        )
    from diffposetalk_ros.model.torch_backend import TorchBackend

    return TorchBackend.load(folder, _torch_device(device))


def _torch_device(device: str) -> str:
    if device != 'auto':
        return device
    import torch

    return 'cuda' if torch.cuda.is_available() else 'cpu'


def open_model(name: str | Path, backend: str = 'auto', device: str = 'auto') -> LoadedModel:
    """Open a model by folder or by the name of one that ships; see `load_backend` for errors."""
    folder = find_model(name)
    runner = load_backend(folder, backend, device)
    mean, std = _statistics(folder, runner.config.motion_dim)
    return LoadedModel(folder, runner, mean, std, named_styles(folder))


def _statistics(folder: Path, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    path = folder / 'stats.json'
    try:
        stats = json.loads(path.read_text(encoding='utf-8'))
        mean, std = (np.asarray(stats[key], np.float32) for key in ('mean', 'std'))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f'{path} is missing or damaged ({error}); copy the model folder again') from error
    if mean.shape != (width,) or std.shape != (width,):
        raise ModelError(f'{path} holds {mean.size} numbers per row; this model needs {width}')
    return mean, std


def named_styles(folder: Path) -> dict[str, FloatArray]:
    """Styles a model folder ships with: name -> vector (S,). Raises ModelError for a damaged file."""
    path = folder / STYLES
    if not path.is_file():
        return {}
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return {name: value.astype(np.float32) for name, value in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise ModelError(f'{path} is damaged ({error}); copy it again') from error
