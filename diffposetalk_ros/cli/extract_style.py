# SPDX-License-Identifier: Apache-2.0
"""Take the speaking style of a motion clip of 1 to 30 s.

diffposetalk extract-style clip.csv -o mine.npy
diffposetalk generate speech.wav -o motion.npz --style mine.npy
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np

from diffposetalk_ros.errors import StyleError

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk extract-style`."""
    parser.add_argument('motion', type=Path, help='.npz, .csv or .json in the space of the model')
    parser.add_argument('-o', '--output', type=Path, required=True, help='.npy to write')
    parser.add_argument('--model', default='embedded', help='folder, or the name of a model that ships')
    parser.add_argument('--start', type=float, default=0.0, help='begin here, in seconds (default 0)')
    parser.add_argument('--seconds', type=float, help='use this much (default: to the end, at most 30)')


def run(options: argparse.Namespace) -> int:
    """Encode and write the style vector."""
    from diffposetalk_ros.model.loader import open_model
    from diffposetalk_ros.motion.motion_file import load_motion, write_atomically
    from diffposetalk_ros.motion.resampling import at_rate

    if options.output.suffix != '.npy':
        raise StyleError(f'{options.output} should end in .npy')
    clip = load_motion(options.motion)
    model = open_model(options.model)
    config = model.backend.config
    if clip.layout != config.layout:
        raise StyleError(
            f'{options.motion} is {clip.layout.space} motion of {clip.layout.width} columns; '
            f'{model.folder.name} takes {config.space} with {config.motion_dim}'
        )
    values = at_rate(clip, config.fps).values
    first = int(options.start * config.fps)
    seconds = 30.0 if options.seconds is None else min(options.seconds, 30.0)
    values = values[first : first + int(seconds * config.fps)]
    if len(values) < config.fps:
        raise StyleError(
            f'{options.motion} gives {len(values) / config.fps:.2f} s from {options.start:g} s on; '
            'a style needs at least 1 s, best 4 s or more'
        )
    style = model.backend.encode_style(model.normalise(values)[None])[0]
    buffer = io.BytesIO()
    np.save(buffer, style)
    write_atomically(options.output, buffer.getvalue())
    print(f'{options.output}: style of {len(values) / config.fps:.1f} s of {options.motion}')
    return 0
