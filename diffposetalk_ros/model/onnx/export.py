# SPDX-License-Identifier: Apache-2.0
"""Writes the ONNX graphs of a model folder.

The graphs hold no weights. Every weight is an external tensor that points into the folder's safetensors
files, so each number exists once. Tables that follow from a formula are computed when a graph is loaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from diffposetalk_ros.errors import ModelError
from diffposetalk_ros.model.config import LogMelConfig
from diffposetalk_ros.model.mel_context import logmel_context
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel
from diffposetalk_ros.model.onnx.backend import MAX_STYLE_FRAMES
from diffposetalk_ros.model.onnx.sampler_graph import sampler_graph
from diffposetalk_ros.model.onnx.speech_graph import SpeechGraph
from diffposetalk_ros.model.onnx.tables import compute_tables
from diffposetalk_ros.model.onnx.trace import trace
from diffposetalk_ros.model.store import load_model
from diffposetalk_ros.util.output_file import whole_file
from diffposetalk_ros.util.resources import STYLE_WEIGHTS, WEIGHTS, graph_file

__all__ = ['export_onnx']


_FORMER = ('memory', 'denoiser')
"""Graphs that earlier versions wrote: one evaluation of the denoiser."""


class _AudioGraph(nn.Module):
    def __init__(self, model: DiffPoseTalkModel) -> None:
        super().__init__()
        self.audio_encoder, self.audio_feature_map = model.audio_encoder, model.audio_feature_map

    def forward(self, mel: Tensor) -> Tensor:
        out: Tensor = self.audio_feature_map(self.audio_encoder(mel))
        return out


def export_onnx(folder: Path) -> list[Path]:
    """Write audio.onnx, sampler.onnx (the denoising loop) and, with a style encoder, style.onnx.

    Raises ModelError for a model whose attention mask is not of width 1, or that takes neither style nor
    shape. Such a model runs with torch.
    """
    stored = load_model(folder)
    model, config = stored.model, stored.model.config
    if config.align_mask_width != 1 or model.denoising_net.person_proj is None:
        raise ModelError(
            f'{folder}: only models with an attention mask of width 1 and a style or shape can be exported'
        )
    for name in _FORMER:
        (folder / graph_file(name)).unlink(missing_ok=True)
    written = [_write_audio(folder, model), _save(folder, 'sampler', sampler_graph(model), WEIGHTS)]
    if stored.style_encoder is not None:
        # The rest of the position table would only fill memory.
        stored.style_encoder.positions = stored.style_encoder.positions[: MAX_STYLE_FRAMES + 1]
        clip = torch.zeros(2, 50, config.motion_dim)
        written.append(
            _write(
                folder, 'style', stored.style_encoder, (clip,), ['motion'], ['style'], {'motion': {1: 'frames'}},
                weights=STYLE_WEIGHTS,
            )
        )  # fmt: skip
    return written


def _write(
    folder: Path,
    name: str,
    module: nn.Module,
    arguments: tuple[Tensor, ...],
    inputs: list[str],
    outputs: list[str],
    axes: dict[str, dict[int, str]],
    weights: str = WEIGHTS,
) -> Path:
    open_axes = {key: {0: 'batch', **axes.get(key, {})} for key in inputs if key != 'frames'}
    return _save(folder, name, trace(module, arguments, inputs, outputs, open_axes), weights)


def _write_audio(folder: Path, model: DiffPoseTalkModel) -> Path:
    config = model.config
    if config.audio_encoder != 'logmel':
        speech = (torch.zeros(2, 16000 + 80), torch.tensor([config.fps]))
        return _write(
            folder, 'audio', SpeechGraph(model), speech, ['samples', 'frames'], ['features'],
            {'samples': {1: 'sample_count'}},
        )  # fmt: skip
    left, right = logmel_context(config.logmel or LogMelConfig())
    mel = torch.zeros(2, left + 32 + right, config.logmel.n_mels if config.logmel else 64)
    return _write(
        folder, 'audio', _AudioGraph(model), (mel,), ['mel'], ['features'], {'mel': {1: 'mel_frames'}}
    )


def _save(folder: Path, name: str, graph: Any, weights: str) -> Path:
    compute_tables(graph.graph)
    _point_into(graph, folder / weights)
    path = folder / graph_file(name)
    with whole_file(path) as part:
        part.write_bytes(graph.SerializeToString())
    return path


def _point_into(graph: Any, weights: Path) -> None:
    """Replace initialisers that the safetensors file holds by references into it.

    The file is an 8-byte little-endian header length, a JSON header with the offsets, and the data.
    """
    from onnx import TensorProto, external_data_helper, numpy_helper

    data = weights.read_bytes()
    start = 8 + int.from_bytes(data[:8], 'little')
    header = json.loads(data[8:start])
    for tensor in graph.graph.initializer:
        entry = header.get(tensor.name)
        if entry is None or tensor.data_type != TensorProto.FLOAT:
            continue
        first, last = (start + offset for offset in entry['data_offsets'])
        raw = numpy_helper.to_array(tensor).tobytes()
        if raw != data[first:last]:
            raise ModelError(f'{tensor.name} of the graph differs from {weights}; this is a defect')
        external_data_helper.set_external_data(tensor, weights.name, first, last - first)
        tensor.ClearField('raw_data')
