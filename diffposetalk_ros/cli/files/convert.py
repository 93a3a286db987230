# SPDX-License-Identifier: Apache-2.0
"""Convert a motion file, or a bag with recorded motion, to another format."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from diffposetalk_ros.errors import ConfigError

if TYPE_CHECKING:
    from diffposetalk_ros.motion.motion_clip import MotionClip

_SUFFIX = {'live-link': '.csv', 'head': '.csv', 'audio2face': '.json', 'gltf': '.glb'}
"""What else can be written, and the ending it needs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument(
        'motion',
        type=Path,
        help='.npz, .csv (Live Link Face, Audio2Face, MediaPipe ...), .json (Audio2Face, LAM, MediaPipe), .mcap, or '
        'the folder of a bag',
    )
    parser.add_argument('-o', '--out', type=Path, required=True, help='OUT.npz, .csv, .json or .glb')
    parser.add_argument('--topic', default='', help='face_motion topic; needed if a bag has several')
    parser.add_argument(
        '--format',
        choices=sorted(_SUFFIX),
        help='live-link: CSV as the app writes it, 60 rows a second; audio2face: its JSON; head: CSV of the head '
        'alone; gltf: animated head for Blender and others (as .glb always is)',
    )
    parser.add_argument(
        '--live-link',
        dest='format',
        action='store_const',
        const='live-link',
        help='the same as --format live-link',
    )
    parser.add_argument('--motion-fps', type=float, help='frame rate of the rows; overrides the file')


def run(args: argparse.Namespace) -> int:
    """Read and write. Raises DiffPoseTalkError on user errors."""
    from diffposetalk_ros.motion.files.motion_file import save_motion
    from diffposetalk_ros.util.output_file import check_not_input, check_output

    form = args.format or ('gltf' if args.out.suffix.lower() == '.glb' else None)
    if form and args.out.suffix.lower() != _SUFFIX[form]:
        raise ConfigError(f'--format {form} writes a {_SUFFIX[form]}, not {args.out.name}')
    check_output(args.out, (_SUFFIX[form],) if form else ('.npz', '.csv', '.json'))
    check_not_input(args.out, [args.motion])
    clip = _read(args)
    rows, rate = len(clip.values), clip.fps
    if form == 'live-link':
        from diffposetalk_ros.motion.files.live_link import write_live_link_csv

        rows, rate = write_live_link_csv(args.out, clip), 60.0
    elif form is None:
        save_motion(args.out, clip)
    else:
        from diffposetalk_ros.util.output_file import write_atomically

        write_atomically(args.out, _encode(form, clip))
    print(f'wrote {args.out}: {rows} frames at {rate:g} fps')
    return 0


def _read(args: argparse.Namespace) -> MotionClip:
    if args.motion.is_dir() or args.motion.suffix.lower() not in ('.npz', '.csv', '.json'):
        from diffposetalk_ros.ros.recording.bag_storage import is_bag
        from diffposetalk_ros.ros.recording.motion_bag import read_motion_bag

        if is_bag(args.motion):
            return read_motion_bag(args.motion, args.topic)
    from diffposetalk_ros.motion.files.motion_file import load_face

    return load_face(args.motion, args.motion_fps)


def _encode(form: str, clip: MotionClip) -> bytes:
    if form == 'gltf':
        from diffposetalk_ros.viewer.gltf import encode_glb

        return encode_glb(clip)
    if form == 'head':
        from diffposetalk_ros.motion.files.motion_csv import encode_head_csv

        return encode_head_csv(clip)
    from diffposetalk_ros.motion.files.face_json import encode_audio2face

    return encode_audio2face(clip)
