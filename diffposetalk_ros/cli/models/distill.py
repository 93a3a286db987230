# SPDX-License-Identifier: Apache-2.0
"""Distill a trained model into a faster one: guidance in one pass, few steps.

    diffposetalk distill --takes runs/embedded/takes --out models/fast
    diffposetalk distill --takes runs/embedded/takes --out models/fast2 --steps 2 --substeps 4

The first command trains a model that needs one pass at any guidance scales, where the teacher needs up to
three. The second also reduces sampling to two steps. You may interrupt a run at any time; the same command
continues from the last checkpoint. Afterwards run diffposetalk export and diffposetalk bench-quality.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk distill`."""
    parser.add_argument(
        '--model', default='embedded', help='teacher: model folder, or the name of a bundled model'
    )
    parser.add_argument(
        '--takes', type=Path, required=True, help='the folder `takes` in the --work folder of a training'
    )
    parser.add_argument('--out', type=Path, required=True, help='model folder to write')
    parser.add_argument('--work', type=Path, default=Path('runs/distilled'), help='checkpoint and logs')
    parser.add_argument(
        '--steps', type=int, default=0, help='sampling steps of the student (default: any number)'
    )
    parser.add_argument(
        '--substeps', type=int, default=1, help='steps of the teacher for each step of the student'
    )
    parser.add_argument('--scale-audio', type=float, default=2.0, help='largest guidance scale of the speech')
    parser.add_argument('--scale-style', type=float, default=2.0, help='largest guidance scale of the style')
    parser.add_argument('--train-steps', type=int, help='steps of training')
    parser.add_argument('--batch', type=int, help='batch size of each process')
    parser.add_argument('--learning-rate', type=float)
    parser.add_argument('--seed', type=int, default=0)


def run(options: argparse.Namespace) -> int:
    """Train and write the model folder."""
    from diffposetalk_ros.training.distill import DISTILLATION, DistillConfig, run_distillation
    from diffposetalk_ros.util.output_file import check_output_folder
    from diffposetalk_ros.util.resources import find_model

    check_output_folder(options.out)
    check_output_folder(options.work)
    config = DistillConfig(options.steps, options.substeps, options.scale_audio, options.scale_style)
    given = {
        'steps': options.train_steps,
        'batch': options.batch,
        'learning_rate': options.learning_rate,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    training = replace(DISTILLATION, seed=options.seed, **changes)
    run_distillation(find_model(options.model), options.takes, options.work, options.out, training, config)
    print(f'wrote {options.out}; logs in {options.work / "logs"}')
    return 0
