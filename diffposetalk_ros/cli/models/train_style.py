# SPDX-License-Identifier: Apache-2.0
"""Train only the style encoder; `train-denoiser` and `train` with the same --work use it.

    diffposetalk train-style --lmdb datasets/HDTF_TFHP/lmdb
    diffposetalk train-style --corpus runs/corpus

Interrupt it at any time; the same command continues from the last checkpoint. Several processes or
GPUs: `accelerate launch -m diffposetalk_ros.cli train-style ...`.
"""

from __future__ import annotations

import argparse

from diffposetalk_ros.cli.models.training_options import (
    add_data_arguments,
    model_config,
    pair_data,
    recipe_of,
    run_of,
    work_folder,
)

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk train-style`."""
    add_data_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Train, and print where the checkpoint is."""
    from diffposetalk_ros.util.output_file import check_output_folder

    work = work_folder(options)
    check_output_folder(work)
    if options.corpus is not None:
        from diffposetalk_ros.training.recipe import run_style_stage

        run_style_stage(options.corpus, work, recipe_of(options, 'style'))
    else:
        from diffposetalk_ros.training.published import PUBLISHED, STYLE, train_style

        train_style(pair_data(options), model_config(options, PUBLISHED), work, run_of(options, STYLE))
    print(f'{work / "style.ckpt"}: style encoder; logs in {work / "logs"}')
    return 0
