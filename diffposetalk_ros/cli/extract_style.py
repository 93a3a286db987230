# SPDX-License-Identifier: Apache-2.0
"""Take the speaking style of a motion clip of 1 to 30 s.

diffposetalk extract-style clip.csv -o mine.npy
diffposetalk generate speech.wav -o motion.npz --style mine.npy
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diffposetalk_ros.errors import StyleError

if TYPE_CHECKING:
    from diffposetalk_ros.model.backend import FloatArray
    from diffposetalk_ros.motion.layout import MotionLayout
    from diffposetalk_ros.motion.motion_clip import MotionClip

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
    from diffposetalk_ros.motion.motion_file import load_face, write_atomically
    from diffposetalk_ros.motion.resampling import at_rate
    from diffposetalk_ros.util.output_file import check_output

    check_output(options.output, ('.npy',))
    if not 0 <= options.start < float('inf') or not (options.seconds is None or options.seconds > 0):
        raise StyleError(
            f'--start {options.start:g} --seconds {options.seconds}; use 0 or more, and more than 0'
        )
    clip = load_face(options.motion)
    model = open_model(options.model)
    config = model.backend.config
    values = _columns(at_rate(clip, config.fps), config.layout, options.motion, model.folder.name)
    first = round(options.start * config.fps)
    count = round(min(options.seconds or 30.0, 30.0) * config.fps)
    if (
        options.seconds is None
        and config.style_encoder is not None
        and config.style_encoder.position == 'legacy'
    ):
        count = config.style_encoder.n_motions  # the reference takes one stretch, whatever the clip's length
    values = values[first : first + count]
    if len(values) < config.fps:
        raise StyleError(
            f'{options.motion} gives {len(values) / config.fps:.2f} s from {options.start:g} s on; '
            'a style needs at least 1 s, best 4 s or more'
        )
    style = model.style_of(values)
    buffer = io.BytesIO()
    np.save(buffer, style)
    write_atomically(options.output, buffer.getvalue())
    print(f'{options.output}: style of {len(values) / config.fps:.1f} s of {options.motion}')
    return 0


def _columns(clip: MotionClip, wanted: MotionLayout, path: Path, model: str) -> FloatArray:
    """The clip's columns the model takes; a head the model does not know is left out."""
    if clip.layout == wanted:
        return clip.values
    if clip.layout.space == wanted.space and set(wanted.names) < set(clip.layout.names):
        return clip.values[:, [clip.layout.index(name) for name in wanted.names]]
    raise StyleError(
        f'{path} is {clip.layout.space} motion of {clip.layout.width} columns; '
        f'{model} takes {wanted.space} with {wanted.width}'
    )
