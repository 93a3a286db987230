# SPDX-License-Identifier: Apache-2.0
"""Reads official DiffPoseTalk checkpoints (docs/method.md, 7)."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from diffposetalk_ros.errors import CheckpointError, ConfigError, ModelError, reason_of
from diffposetalk_ros.model.config import ModelConfig, StyleEncoderConfig
from diffposetalk_ros.model.networks.denoiser import attention_mask
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel
from diffposetalk_ros.model.networks.style_encoder import StyleEncoder
from diffposetalk_ros.model.speech_weights import read_speech_weights
from diffposetalk_ros.model.store import load_weights
from diffposetalk_ros.model.torch_file import read_torch_file

__all__ = ['denoiser_config', 'flame_stats', 'motion_stats', 'read_denoiser', 'read_style_encoder']

_COMPUTED = ('denoising_net.TE.pe', 'denoising_net.PE.pe', 'denoising_net.alignment_mask')
_POS_CONV = 'audio_encoder.encoder.pos_conv_embed.conv.'
_RENAMED = {
    _POS_CONV + 'weight_g': _POS_CONV + 'parametrizations.weight.original0',
    _POS_CONV + 'weight_v': _POS_CONV + 'parametrizations.weight.original1',
}
_SPEECH = 'audio_encoder.'
_USUAL = {'hubert': 'facebook/hubert-base-ls960', 'wav2vec2': 'facebook/wav2vec2-base-960h'}
_WIDTHS = {'shape': 100, 'exp': 50, 'pose': 6}


def denoiser_config(args: Mapping[str, Any]) -> ModelConfig:
    """Configuration for the argument fields of a checkpoint, old ones included (docs/method.md, 7.1).

    Raises CheckpointError for a value that this package does not know.
    """

    def field(name: str, default: Any) -> Any:
        value = args.get(name)
        return default if value is None else value

    if field('rot_repr', 'aa') != 'aa' or field('architecture', 'decoder') != 'decoder':
        raise CheckpointError('only rot_repr aa with architecture decoder exists')
    width = args.get('align_mask_width')
    if width is None:
        width = 1 if args.get('use_alignment_mask') else 0
    no_head = args.get('no_head_pose')
    if no_head is None:
        no_head = not args.get('predict_head_pose')
    no_learnable = args.get('no_use_learnable_pe')
    if no_learnable is None:
        no_learnable = not args.get('use_learnable_pe')
    styled = args.get('style_enc_ckpt') is not None
    listed = str(args.get('guiding_conditions') or '').split(',')
    try:
        return ModelConfig(
            space='flame',
            head_pose=not no_head,
            fps=field('fps', 25),
            n_motions=field('n_motions', 100),
            n_prev_motions=field('n_prev_motions', 10),
            feature_dim=field('feature_dim', 512),
            n_heads=field('n_heads', 8),
            n_layers=field('n_layers', 8),
            mlp_ratio=field('mlp_ratio', 4),
            align_mask_width=width,
            learnable_pe=not no_learnable,
            use_indicator=bool(args.get('use_indicator')),
            style_dim=field('d_style', 128) if styled else 0,
            guiding_conditions=tuple(name for name in ('audio', 'style') if name in listed),
            cfg_mode=field('cfg_mode', 'incremental'),
            target=field('target', 'sample'),
            n_diff_steps=field('n_diff_steps', 500),
            diff_schedule=field('diff_schedule', 'cosine'),
            audio_encoder=field('audio_model', 'hubert'),
            pad_mode=field('pad_mode', 'zero'),
        )
    except (ConfigError, TypeError) as error:
        raise CheckpointError(f'arguments of the checkpoint: {error}') from error


def read_denoiser(path: Path, speech: Path | None = None) -> tuple[DiffPoseTalkModel, int]:
    """Open an official denoiser checkpoint: the model in evaluation mode, and its training iteration.

    ``speech`` is a folder with HuBERT or wav2vec2, as transformers saves them, for a checkpoint without its
    speech encoder. Raises CheckpointError for a file that is hostile, damaged or of another network.
    """
    content = _content(path, 'model')
    tensors = {_RENAMED.get(name, name): value for name, value in content['model'].items()}
    config = denoiser_config(vars(content['args']))
    if any(name.startswith(_SPEECH) for name in tensors):
        if speech is not None:
            raise CheckpointError(f'{path} contains its own {config.audio_encoder}; omit --speech-encoder')
        sizes = _speech_sizes(tensors)
    elif speech is None:
        raise CheckpointError(
            f'{path} holds no weights of {config.audio_encoder}; save the encoder it was trained with by '
            f'transformers and name the folder with --speech-encoder (usually {_USUAL[config.audio_encoder]})'
        )
    else:
        weights, sizes = read_speech_weights(config.audio_encoder, speech)
        tensors |= {_SPEECH + name: value for name, value in weights.items()}
    config = replace(config, audio_encoder_config=sizes)
    mask = tensors.get('denoising_net.alignment_mask')
    allowed = attention_mask(config.n_prev_motions + config.n_motions, config.align_mask_width)
    if mask is not None and allowed is not None and not mask.equal(~allowed):
        raise CheckpointError(f'{path}: its alignment mask is not of width {config.align_mask_width}')
    model = DiffPoseTalkModel(config)
    _load(model, {k: v for k, v in tensors.items() if k not in _COMPUTED}, path)
    return model.eval(), _iteration(content)


def read_style_encoder(
    path: Path, config: ModelConfig | None = None
) -> tuple[StyleEncoder, StyleEncoderConfig]:
    """Open a style encoder, alone or as the one that belongs to a model of ``config``.

    Raises CheckpointError as `read_denoiser`, and where head pose or width do not fit the model.
    """
    content = _content(path, 'encoder')
    first = content['encoder'].get('motion_proj.weight')
    if first is None or first.ndim != 2:
        raise CheckpointError(f'{path} is not a style encoder: it has no matrix motion_proj.weight')
    motion_dim = int(first.shape[1]) if config is None else config.motion_dim
    args = vars(content['args'])
    sizes = {
        name: args[name]
        for name in ('feature_dim', 'n_heads', 'n_layers', 'mlp_ratio', 'n_motions')
        if args.get(name) is not None
    }
    try:
        style_config = StyleEncoderConfig(**sizes)
        if config is not None and style_config.feature_dim != config.style_dim:
            raise CheckpointError(
                f'{path} makes styles of {style_config.feature_dim} numbers; '
                f'the model takes {config.style_dim}'
            )
        encoder = StyleEncoder(style_config, motion_dim)
    except (TypeError, ConfigError) as error:
        raise CheckpointError(f'{path}: {error}') from error
    _load(encoder, dict(content['encoder']), path)
    return encoder.eval(), style_config


def flame_stats(path: Path) -> dict[str, NDArray[np.float32]]:
    """Arrays of a statistics file (docs/method.md, 1.3). Raises CheckpointError if it does not hold them."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name]) for name in file.files}
    except (OSError, ValueError, TypeError, AttributeError, EOFError, RuntimeError, BadZipFile) as error:
        raise CheckpointError(f'cannot read statistics {path} ({reason_of(error)})') from error
    for key, width in _WIDTHS.items():
        for part in ('mean', 'std'):
            value = arrays.get(f'{key}_{part}')
            if (
                value is None
                or value.dtype.kind not in 'fiu'
                or value.shape != (width,)
                or not np.isfinite(value).all()
            ):
                raise CheckpointError(f'{path} needs {key}_{part}: {width} finite numbers')
    return arrays


def motion_stats(
    stats: Mapping[str, NDArray[np.floating]], head_pose: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation (D,) of the motion columns: exp, head rotation if any, jaw x (docs/method.md, 1.2).

    Raises CheckpointError for a deviation of 0.
    """
    pose = slice(0, 4) if head_pose else slice(3, 4)
    mean, std = (
        np.concatenate([stats[f'exp_{part}'], stats[f'pose_{part}'][pose]]).astype(np.float64)
        for part in ('mean', 'std')
    )
    if (std <= 0).any():
        raise CheckpointError(f'the statistics have a deviation of 0 in motion column {int(np.argmin(std))}')
    return mean, std


def _content(path: Path, key: str) -> Mapping[str, Any]:
    content = read_torch_file(path)
    if not isinstance(content, dict) or not isinstance(content.get('args'), argparse.Namespace):
        raise CheckpointError(f'{path} is not a DiffPoseTalk checkpoint: it has no training arguments')
    tensors = content.get(key)
    if not isinstance(tensors, dict) or not all(isinstance(v, Tensor) for v in tensors.values()):
        found = ', '.join(sorted(map(str, content)))
        raise CheckpointError(f'{path} has no {key!r} weights, only: {found}')
    return content


def _speech_sizes(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Configuration of a speech encoder that is not of base size, from the shapes of its tensors.

    Raises CheckpointError for a width that is not a multiple of 64.
    """

    def shape(name: str) -> tuple[int, ...]:
        return tuple(tensors['audio_encoder.' + name].shape)

    try:
        hidden = shape('encoder.layer_norm.weight')[0]
        position = shape('encoder.pos_conv_embed.conv.parametrizations.weight.original1')
        convolutions = [shape(f'feature_extractor.conv_layers.{i}.conv.weight')[0] for i in range(7)]
        feed = shape('encoder.layers.0.feed_forward.intermediate_dense.weight')[0]
        groups = hidden // position[1]
    except (KeyError, IndexError, ZeroDivisionError):
        return {}  # loading will list what is missing
    if hidden > 64 and hidden % 64:
        raise CheckpointError(
            f'a speech encoder {hidden} wide; the number of its heads is not in the file, and 64, the width of a '
            f'head in every published HuBERT and wav2vec2, does not divide {hidden}'
        )
    layers = {name.split('.')[3] for name in tensors if name.startswith('audio_encoder.encoder.layers.')}
    found = {
        'hidden_size': (hidden, 768),
        'num_hidden_layers': (len(layers), 12),
        'num_attention_heads': (max(1, hidden // 64), 12),
        'intermediate_size': (feed, 3072),
        'conv_dim': (convolutions, [512] * 7),
        'num_conv_pos_embeddings': (position[2], 128),
        'num_conv_pos_embedding_groups': (groups, 16),
    }
    return {name: value for name, (value, base) in found.items() if value != base}


def _load(module: Any, tensors: Mapping[str, Tensor], path: Path) -> None:
    try:
        load_weights(module, tensors, str(path))
    except ModelError as error:
        raise CheckpointError(str(error)) from error


def _iteration(content: Mapping[str, Any]) -> int:
    value = content.get('iter')
    return value if isinstance(value, int) else 0
