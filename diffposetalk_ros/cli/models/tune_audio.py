# SPDX-License-Identifier: Apache-2.0
"""Teach the audio encoder of a finished model the languages of a corpus, without training the denoiser.

Interrupt it at any time; the same command continues from the last checkpoint.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk tune-audio`."""
    parser.add_argument('--corpus', type=Path, required=True, help='folder made by `diffposetalk corpus`')
    parser.add_argument(
        '--start', metavar='MODEL', default='embedded', help='model to tune (default: embedded)'
    )
    parser.add_argument('--out', type=Path, required=True, help='model folder to write')
    parser.add_argument('--work', type=Path, default=Path('runs/tuned'), help='takes, checkpoints and logs')
    parser.add_argument(
        '--takes',
        type=int,
        help='clips of 8.4 s of English, and as many of the other languages together (default 3000)',
    )
    parser.add_argument('--steps', type=int, help='steps of the audio encoder (default 22500)')
    parser.add_argument(
        '--share',
        type=float,
        help='weight of the new encoder in a mean of old and new, 0 to 1 (default 1)',
    )
    parser.add_argument('--seed', type=int, default=0)


def run(options: argparse.Namespace) -> int:
    """Tune and write the graphs of the new encoder."""
    from diffposetalk_ros.cli.checks import check_at_least, check_seed
    from diffposetalk_ros.model.onnx.export import export_onnx
    from diffposetalk_ros.training.tune_audio import Tuning, tune_audio
    from diffposetalk_ros.util.output_file import check_output_folder
    from diffposetalk_ros.util.resources import find_model

    check_output_folder(options.out)
    check_output_folder(options.work)
    check_seed(options)
    check_at_least(options, 1, 'takes', 'steps')
    tuning = Tuning(seed=options.seed)
    if options.share is not None:
        tuning = replace(tuning, share=options.share)
    if options.takes:
        tuning = replace(tuning, takes=options.takes)
    if options.steps:
        tuning = replace(tuning, audio=replace(tuning.audio, steps=options.steps))
    tune_audio(options.corpus, options.work, find_model(options.start), options.out, tuning)
    export_onnx(options.out)
    print(f'wrote {options.out}')
    return 0
