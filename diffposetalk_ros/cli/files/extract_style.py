# SPDX-License-Identifier: Apache-2.0
"""Extract the speaking style of a person from a video, a camera or a motion clip.

diffposetalk extract-style me.mp4 -o mine.npy          (4 to 60 s of you speaking)
diffposetalk extract-style 0 -o mine.npy               (ten seconds of the first camera)
diffposetalk extract-style clip.csv -o mine.npy        (motion, 1 to 60 s)
diffposetalk generate speech.wav -o motion.npz --style mine.npy

A video that is not good enough for a style is refused with the reason. Pictures stay on this machine and
are not stored. See docs/your_face.md.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diffposetalk_ros.errors import ConfigError, StyleError, VideoError

if TYPE_CHECKING:
    from diffposetalk_ros.motion.motion_clip import MotionClip

__all__ = ['add_arguments', 'run']

_MOTION_SUFFIXES = ('.npz', '.csv', '.json')
_MAX_SECONDS = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk extract-style`."""
    parser.add_argument(
        'source', help='video file, camera (a number or /dev/videoN), or motion: .npz, .csv or .json'
    )
    parser.add_argument('-o', '--output', type=Path, required=True, help='.npy to write')
    parser.add_argument('--model', default='embedded', help='model folder, or the name of a bundled model')
    parser.add_argument('--start', type=float, default=0.0, help='begin here, in seconds (default 0)')
    parser.add_argument(
        '--seconds', type=float, help='use this much (default: to the end, at most 60; a camera 10)'
    )
    parser.add_argument(
        '--calibrate',
        choices=('arkit', 'mediapipe'),
        help='the motion is a raw take of that tracker, such as Live Link Face; calibrate it like a video',
    )
    parser.add_argument(
        '--tracker-model', type=Path, help='face_landmarker.task (default: where it was installed)'
    )


def run(options: argparse.Namespace) -> int:
    """Encode and write the style vector."""
    from diffposetalk_ros.model.clip_style import style_frames
    from diffposetalk_ros.model.loader import open_model
    from diffposetalk_ros.util.output_file import check_output, write_atomically

    check_output(options.output, ('.npy',))
    if not 0 <= options.start < float('inf') or not (options.seconds is None or options.seconds > 0):
        raise StyleError(
            f'--start {options.start:g} --seconds {options.seconds}; use 0 or more, and more than 0'
        )
    model = open_model(options.model)
    config = model.backend.config
    clip, start = _read(options)
    try:
        values = style_frames(config, clip, start, options.seconds)
    except StyleError as error:
        raise StyleError(f'{options.source}: {error}') from None
    style = model.style_of(values)
    buffer = io.BytesIO()
    np.save(buffer, style)
    write_atomically(options.output, buffer.getvalue())
    print(f'{options.output}: style of {len(values) / config.fps:.1f} s of {options.source}')
    return 0


def _read(options: argparse.Namespace) -> tuple[MotionClip, float]:
    """Motion of the source, and where in it to begin (s)."""
    source = options.source
    if Path(source).suffix.lower() in _MOTION_SUFFIXES:
        from diffposetalk_ros.motion.files.motion_file import load_face

        clip = load_face(source)
        if options.calibrate:
            from diffposetalk_ros.tracking.calibration import calibrate_take

            clip = calibrate_take(clip, options.calibrate)
        return clip, options.start
    if options.calibrate:
        raise ConfigError(f'--calibrate is for motion files; {source} is calibrated anyway')
    from diffposetalk_ros.cli.files.track import track_with_progress
    from diffposetalk_ros.tracking.video_reader import is_camera

    seconds = options.seconds if is_camera(source) else min(options.seconds or _MAX_SECONDS, _MAX_SECONDS)
    tracked = track_with_progress(source, options.start, seconds, options.tracker_model)
    print(tracked.quality.summary())
    try:
        take = tracked.take()
    except VideoError as error:
        raise StyleError(f'{source} cannot be used for a style: {error}') from None
    for note in tracked.quality.warnings():
        print(f'note: {note}')
    return take, 0.0
