# SPDX-License-Identifier: Apache-2.0
"""Train the embedded model from a corpus: takes, style encoder, audio encoder, denoiser, ONNX graphs.

Interrupt it at any time; the same command continues from the last checkpoint. To use several
processes or GPUs start it with `accelerate launch -m diffposetalk_ros.cli train ...`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk train`."""
    parser.add_argument('--corpus', type=Path, required=True, help='folder made by `diffposetalk corpus`')
    parser.add_argument('--out', type=Path, required=True, help='model folder to write')
    parser.add_argument('--work', type=Path, default=Path('runs/embedded'), help='checkpoints and logs')
    parser.add_argument(
        '--start',
        metavar='MODEL',
        help='continue from the weights of this model; its style encoder and styles are kept',
    )
    parser.add_argument('--takes', type=int, help='number of animated clips of 8.4 s')
    parser.add_argument('--style-steps', type=int, help='steps of the style encoder')
    parser.add_argument('--audio-steps', type=int, help='steps of the audio encoder')
    parser.add_argument('--denoiser-steps', type=int, help='steps of the denoiser')
    parser.add_argument('--nonverbal-steps', type=int, help='steps of the network for head, brows and smile')
    parser.add_argument(
        '--regressor',
        action='store_true',
        help='train the same network as a regressor instead of a denoiser, for `evaluate --regressor`',
    )
    parser.add_argument('--seed', type=int, default=0)


def run(options: argparse.Namespace) -> int:
    """Run the recipe; the defaults are those of the shipped weights."""
    from accelerate import PartialState

    from diffposetalk_ros.cli.checks import check_at_least, check_seed
    from diffposetalk_ros.model.onnx.export import export_onnx
    from diffposetalk_ros.training.recipe import FINETUNE, Recipe, run_recipe
    from diffposetalk_ros.util.output_file import check_output_folder
    from diffposetalk_ros.util.resources import find_model

    check_output_folder(options.out)
    check_output_folder(options.work)
    check_seed(options)
    check_at_least(options, 1, 'takes', 'style_steps', 'audio_steps', 'denoiser_steps', 'nonverbal_steps')
    recipe = Recipe(seed=options.seed)
    if options.start:
        recipe = replace(FINETUNE, seed=options.seed, start=find_model(options.start))
    if options.regressor:
        recipe = replace(recipe, model=replace(recipe.model, deterministic=True))
    if options.takes:
        recipe = replace(recipe, takes=options.takes)
    for stage in ('style', 'audio', 'denoiser', 'nonverbal'):
        steps = getattr(options, f'{stage}_steps')
        config = replace(getattr(recipe, stage), seed=options.seed)
        recipe = replace(recipe, **{stage: replace(config, steps=steps) if steps else config})
    run_recipe(options.corpus, options.work, options.out, recipe)
    if PartialState().is_main_process:
        export_onnx(options.out)
        print(f'wrote {options.out}')
    return 0
