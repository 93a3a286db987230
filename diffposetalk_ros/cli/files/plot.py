# SPDX-License-Identifier: Apache-2.0
"""Draw a motion file as a chart of sound, lips, channels and head angles."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument('motion', type=Path, help='.npz, .csv or .json')
    parser.add_argument('--audio', type=Path, help='sound file that goes with the motion')
    parser.add_argument('-o', '--out', type=Path, required=True, help='OUT.png')
    parser.add_argument(
        '--channels', default='', help='channel names, separated by commas (default: those that move most)'
    )
    parser.add_argument('--motion-fps', type=float, help='frame rate of a CSV file that does not state it')


def run(args: argparse.Namespace) -> int:
    """Draw and write the chart. Raises DiffPoseTalkError on user errors."""
    from diffposetalk_ros.motion.files.motion_file import load_face
    from diffposetalk_ros.viewer.plot import plot_motion

    names = [name.strip() for name in args.channels.split(',') if name.strip()]
    plot_motion(load_face(args.motion, args.motion_fps), args.out, args.audio, names)
    print(f'wrote {args.out}')
    return 0
