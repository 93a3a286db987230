# SPDX-License-Identifier: Apache-2.0
"""A model folder: config.json, weights as safetensors, statistics (the layout of `models/`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn

from diffposetalk_ros.errors import ModelError
from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel
from diffposetalk_ros.model.networks.style_encoder import StyleEncoder
from diffposetalk_ros.util.output_file import cannot_write, whole_file
from diffposetalk_ros.util.resources import CONFIG, FLAME_STATS, STATS, STYLE_WEIGHTS, WEIGHTS, graph_file

__all__ = ['StoredModel', 'load_model', 'load_weights', 'save_model']

_MAX_NAMES = 4
"""Tensors that an error names of each kind."""

Stats = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Mean and standard deviation (D,) per motion column: model space = (x - mean) / std."""


@dataclass(frozen=True)
class StoredModel:
    """Networks of a model folder."""

    model: DiffPoseTalkModel
    style_encoder: StyleEncoder | None


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Fill a module.

    Raises ModelError that counts the missing, surplus, misshapen and infinite tensors and names the first.
    """
    expected = module.state_dict()
    missing = sorted(set(expected) - set(tensors))
    surplus = sorted(set(tensors) - set(expected))
    shapes = [
        f'{name} is {tuple(tensors[name].shape)}, not {tuple(expected[name].shape)}'
        for name in sorted(set(expected) & set(tensors))
        if tensors[name].shape != expected[name].shape
    ]
    bad = [name for name, value in sorted(tensors.items()) if not value.isfinite().all()]
    kinds = (('missing', missing), ('surplus', surplus), ('wrong shape', shapes), ('not finite', bad))
    problems = [f'{label}: {_listed(names)}' for label, names in kinds if names]
    if problems:
        raise ModelError(f'{where} does not fit its configuration; {"; ".join(problems)}')
    module.load_state_dict(dict(tensors))


def _listed(names: list[str]) -> str:
    more = f' and {len(names) - _MAX_NAMES} more' if len(names) > _MAX_NAMES else ''
    return ', '.join(names[:_MAX_NAMES]) + more


def save_model(
    folder: Path,
    model: DiffPoseTalkModel,
    stats: Stats,
    style_encoder: StyleEncoder | None = None,
    flame_stats: Mapping[str, NDArray[np.floating]] | None = None,
) -> None:
    """Write config.json, model.safetensors, stats.json and, where given, style_encoder.safetensors
    and stats.npz (the 12 arrays of docs/method.md, 1.3). ONNX graphs of earlier weights are removed,
    because they would be run instead. Files with other names are kept.

    Raises ModelError if the folder cannot be written.
    """
    mean, std = (np.asarray(values, np.float64) for values in stats)
    width = model.config.motion_dim
    if mean.shape != (width,) or std.shape != (width,):
        raise ModelError(f'statistics of shapes {mean.shape}, {std.shape}; this model needs ({width},)')
    text = json.dumps({'mean': mean.tolist(), 'std': std.tolist()}, indent=1) + '\n'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for graph in folder.glob(graph_file('*')):
            graph.unlink()
        _write(folder / WEIGHTS, lambda part: _save_tensors(part, model))
        if style_encoder is not None:
            _write(folder / STYLE_WEIGHTS, lambda part: _save_tensors(part, style_encoder))
        if flame_stats is not None:
            arrays: dict[str, Any] = {name: np.asarray(value) for name, value in flame_stats.items()}
            _write(folder / FLAME_STATS, lambda part: _save_arrays(part, arrays))
        _write(folder / STATS, lambda part: part.write_text(text, encoding='utf-8'))
        _write(folder / CONFIG, lambda part: part.write_text(model.config.to_json(), encoding='utf-8'))
    except (OSError, SafetensorError) as error:
        raise ModelError(cannot_write(folder, error)) from error


def load_model(folder: Path) -> StoredModel:
    """Build the networks of a model folder on the CPU, in evaluation mode.

    Raises ConfigError for a bad config.json, ModelError for weights that are missing or do not fit.
    """
    config = ModelConfig.load(folder / CONFIG)
    model = DiffPoseTalkModel(config)
    load_weights(model, _load_tensors(folder / WEIGHTS), str(folder / WEIGHTS))
    style_encoder = None
    if config.style_encoder is not None and (folder / STYLE_WEIGHTS).exists():
        style_encoder = StyleEncoder(config.style_encoder, config.motion_dim)
        load_weights(style_encoder, _load_tensors(folder / STYLE_WEIGHTS), str(folder / STYLE_WEIGHTS))
        style_encoder.eval()
    return StoredModel(model.eval(), style_encoder)


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file through ``write``. It gets its name when it is complete; a failed file is removed."""
    with whole_file(path) as part:
        mode = part.stat().st_mode
        write(part)
        part.chmod(mode)  # safetensors makes files only their owner can read


def _save_tensors(path: Path, module: nn.Module) -> None:
    from safetensors.torch import save_file

    tensors = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    save_file(tensors, path)


def _save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    with path.open('wb') as file:
        np.savez(file, **arrays)


def _load_tensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    if not path.is_file():
        raise ModelError(f'no {path.name} in {path.parent}; is this a model folder?')
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f'{path} is damaged ({error}); copy it again') from error
    return tensors
