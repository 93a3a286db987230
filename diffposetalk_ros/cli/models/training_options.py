# SPDX-License-Identifier: Apache-2.0
"""Options that `train-style` and `train-denoiser` have in common."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffposetalk_ros.cli.checks import check_at_least, check_seed
from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.config import ModelConfig

if TYPE_CHECKING:
    from diffposetalk_ros.training.published import PairData
    from diffposetalk_ros.training.recipe import Recipe
    from diffposetalk_ros.training.run import RunConfig

__all__ = ['add_data_arguments', 'model_config', 'pair_data', 'recipe_of', 'run_of', 'work_folder']


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of data, network and run."""
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument('--corpus', type=Path, help='folder that `diffposetalk corpus` wrote (ARKit motion)')
    data.add_argument('--lmdb', type=Path, help='folder in the official layout (FLAME motion)')
    parser.add_argument('--split', type=Path, help='clips to train on (default: LMDB/train.txt)')
    parser.add_argument(
        '--validation', type=Path, help='clips to validate on (default: LMDB/val.txt if there)'
    )
    parser.add_argument('--stats', type=Path, help='statistics (default: LMDB/stats_train.npz)')
    parser.add_argument('--config', type=Path, help='config.json of the network (default: the published one)')
    parser.add_argument(
        '--work', type=Path, help='checkpoints and logs (default: runs/embedded or runs/flame)'
    )
    parser.add_argument('--takes', type=int, help='animated clips of 8.4 s, with --corpus')
    parser.add_argument('--steps', type=int, help='total number of steps')
    parser.add_argument('--batch', type=int, help='batch size of each process')
    parser.add_argument('--learning-rate', type=float)
    parser.add_argument('--seed', type=int, default=0)


def model_config(options: argparse.Namespace, default: ModelConfig) -> ModelConfig:
    """The network of --config, or the default. Raises ConfigError."""
    return default if options.config is None else ModelConfig.load(options.config)


def work_folder(options: argparse.Namespace) -> Path:
    """Where checkpoints and logs go. Raises ConfigError for a number that no run can have."""
    check_seed(options)
    check_at_least(options, 1, 'takes', 'steps', 'batch')
    check_at_least(options, 0, 'learning_rate')
    if options.work is not None:
        return Path(options.work)
    return Path('runs/embedded' if options.corpus is not None else 'runs/flame')


def run_of(options: argparse.Namespace, default: RunConfig) -> RunConfig:
    """The run with what was given on the command line. Raises ConfigError."""
    changes = {
        'steps': options.steps,
        'batch': options.batch,
        'learning_rate': options.learning_rate,
    }
    given = {name: value for name, value in changes.items() if value is not None}
    return replace(default, seed=options.seed, **given)


def pair_data(options: argparse.Namespace) -> PairData:
    """The paths of the LMDB data set. Raises ConfigError."""
    from diffposetalk_ros.training.published import PairData

    folder: Path = options.lmdb
    validation = options.validation
    if validation is None and (folder / 'val.txt').is_file():
        validation = folder / 'val.txt'
    return PairData(
        folder,
        options.split or folder / 'train.txt',
        validation,
        options.stats or folder / 'stats_train.npz',
    )


def recipe_of(options: argparse.Namespace, stage: str) -> Recipe:
    """The embedded model's recipe with one stage changed. Raises ConfigError for options of --lmdb."""
    from diffposetalk_ros.training.recipe import EMBEDDED, Recipe

    for name in ('split', 'validation', 'stats'):
        if getattr(options, name) is not None:
            raise ConfigError(f'--{name} goes with --lmdb, not with --corpus')
    recipe = Recipe(seed=options.seed, model=model_config(options, EMBEDDED))
    if options.takes:
        recipe = replace(recipe, takes=options.takes)
    changed: dict[str, Any] = {stage: run_of(options, getattr(recipe, stage))}
    return replace(recipe, **changed)
