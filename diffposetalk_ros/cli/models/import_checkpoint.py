# SPDX-License-Identifier: Apache-2.0
"""Convert an official checkpoint to a model folder."""

from __future__ import annotations

import argparse
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from diffposetalk_ros.errors import ModelError

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument('checkpoint', type=Path, help='denoiser checkpoint, iter_*.pt')
    parser.add_argument(
        '--stats', type=Path, required=True, help='stats_train.npz of the data set it was trained on'
    )
    parser.add_argument('--style-encoder', type=Path, help='style encoder checkpoint, iter_*.pt')
    parser.add_argument(
        '--speech-encoder', type=Path, metavar='DIR',
        help='HuBERT or wav2vec2 saved by transformers, for a checkpoint that does not hold its own',
    )  # fmt: skip
    parser.add_argument('--out', type=Path, required=True, help='folder to write')


def run(args: argparse.Namespace) -> int:
    """Convert. Nothing in the checkpoint is executed, and nothing is downloaded."""
    from diffposetalk_ros.model.official import (
        flame_stats,
        motion_stats,
        read_denoiser,
        read_style_encoder,
    )
    from diffposetalk_ros.model.store import save_model
    from diffposetalk_ros.util.output_file import check_output_folder

    check_output_folder(args.out)
    stats = flame_stats(args.stats)
    model, iteration = read_denoiser(args.checkpoint, args.speech_encoder)
    encoder = None
    if args.style_encoder is not None:
        encoder, style_config = read_style_encoder(args.style_encoder, model.config)
        model.config = replace(model.config, style_encoder=style_config)
    save_model(args.out, model, motion_stats(stats, model.config.head_pose), encoder, stats)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    head = 'with' if model.config.head_pose else 'without'
    print(f'{args.out}: {parameters:,} parameters, iteration {iteration}, {head} head pose')
    if encoder is None and model.config.style_dim:
        print('without --style-encoder, style files work but extract-style does not')
    print(_graphs(args.out))
    return 0


def _graphs(folder: Path) -> str:
    """Write graphs for ONNX Runtime if this is possible here; returns a sentence about it."""
    from diffposetalk_ros.model.onnx.export import export_onnx

    if find_spec('onnx') is None:
        return (
            f'it runs with torch; ONNX Runtime is about twice as fast on a CPU: pip install onnx, then diffposetalk '
            f'export --model {folder}'
        )
    try:
        export_onnx(folder)
    except ModelError as error:
        return f'it runs with torch: {error}'
    return 'graphs for ONNX Runtime are beside the weights; --backend torch runs it without them'
