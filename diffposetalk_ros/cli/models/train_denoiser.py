# SPDX-License-Identifier: Apache-2.0
"""Train the denoiser with the style encoder that `train-style` wrote to the same --work.

    diffposetalk train-denoiser --lmdb datasets/HDTF_TFHP/lmdb --out models/mine \\
        --speech-encoder hubert-base-ls960 --flame-model generic_model.pkl
    diffposetalk train-denoiser --corpus runs/corpus --out models/mine

Interrupt it at any time; the same command continues from the last checkpoint. Several processes or
GPUs: `accelerate launch -m diffposetalk_ros.cli train-denoiser ...`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from diffposetalk_ros.cli.models.training_options import (
    add_data_arguments,
    model_config,
    pair_data,
    recipe_of,
    run_of,
    work_folder,
)
from diffposetalk_ros.errors import ConfigError

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk train-denoiser`."""
    add_data_arguments(parser)
    parser.add_argument('--out', type=Path, required=True, help='model folder to write')
    flame = parser.add_argument_group('with --lmdb')
    flame.add_argument(
        '--speech-encoder', type=Path, help='folder of HuBERT or wav2vec2, saved by transformers'
    )
    flame.add_argument('--start', type=Path, help='model folder to continue from instead')
    flame.add_argument('--style-encoder', type=Path, help='official style encoder (default: WORK/style.ckpt)')
    flame.add_argument('--flame-model', type=Path, help='generic_model.pkl, for the geometric losses')
    flame.add_argument('--no-vertices', action='store_true', help='train without geometric losses')
    flame.add_argument('--scheduler', default='Warmup', choices=('none', 'Warmup', 'WarmupThenDecay'))
    flame.add_argument('--criterion', default='l2', choices=('l2', 'l1'))
    flame.add_argument('--context', action='store_true', help='encode the audio of both halves in one pass')


def run(options: argparse.Namespace) -> int:
    """Train and write the model folder."""
    from diffposetalk_ros.util.output_file import check_output_folder

    work = work_folder(options)
    check_output_folder(options.out)
    check_output_folder(work)
    if options.corpus is not None:
        _from_corpus(options, work)
    else:
        _from_lmdb(options, work)
    print(f'wrote {options.out}; logs in {work / "logs"}')
    return 0


def _from_corpus(options: argparse.Namespace, work: Path) -> None:
    from diffposetalk_ros.training.recipe import run_denoiser_stage

    run_denoiser_stage(options.corpus, work, options.out, recipe_of(options, 'denoiser'))


def _from_lmdb(options: argparse.Namespace, work: Path) -> None:
    from diffposetalk_ros.training.loss.losses import LossWeights
    from diffposetalk_ros.training.published import DENOISER, PUBLISHED, DenoiserSettings, train_denoiser
    from diffposetalk_ros.training.train_pairs import PairConfig
    from diffposetalk_ros.util.resources import CONFIG, find_model

    if options.flame_model is None and not options.no_vertices:
        raise ConfigError('the geometric losses need --flame-model; --no-vertices trains without them')
    start = None if options.start is None else find_model(options.start)
    if start is not None:
        options.config = start / CONFIG
    config = model_config(options, PUBLISHED)
    if start is None and options.speech_encoder is None and config.audio_encoder != 'logmel':
        print(f'note: {config.audio_encoder} starts from random weights; --speech-encoder gives trained ones')
    settings = DenoiserSettings(
        PairConfig(LossWeights(criterion=options.criterion), context=options.context),
        start,
        options.speech_encoder,
        options.style_encoder,
        None if options.no_vertices else options.flame_model,
    )
    published = replace(DENOISER, schedule=options.scheduler)
    train_denoiser(pair_data(options), config, work, options.out, run_of(options, published), settings)
