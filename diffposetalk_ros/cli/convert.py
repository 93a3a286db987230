# SPDX-License-Identifier: Apache-2.0
"""`diffposetalk convert`: a motion file, or a bag that recorded live motion, to another format."""

from __future__ import annotations

import argparse
from pathlib import Path

from diffposetalk_ros.errors import ConfigError

HELP = 'motion file or recorded bag -> motion file of another format'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument('motion', type=Path, help='.npz, .csv, .json, .mcap, or the folder of an MCAP bag')
    parser.add_argument('-o', '--out', type=Path, required=True, help='OUT.npz, .csv or .json')
    parser.add_argument('--topic', default='', help='face_motion topic, where a bag has several')
    parser.add_argument(
        '--live-link',
        action='store_true',
        help='write the CSV of a Live Link Face take: 60 rows a second, 61 columns with head and eye angles',
    )
    parser.add_argument('--motion-fps', type=float, help='rate of a CSV that does not tell it')


def run(args: argparse.Namespace) -> int:
    """Read and write. Raises DiffPoseTalkError on user errors."""
    from diffposetalk_ros.motion.motion_file import load_face, save_motion

    if args.live_link and args.out.suffix.lower() != '.csv':
        raise ConfigError(f'--live-link writes a .csv, not {args.out.name}')
    if args.motion.is_dir() or args.motion.suffix.lower() == '.mcap':
        from diffposetalk_ros.ros.recording.motion_bag import read_motion_bag

        clip = read_motion_bag(args.motion, args.topic)
    else:
        clip = load_face(args.motion, args.motion_fps)
    if args.live_link:
        from diffposetalk_ros.motion.live_link import write_live_link_csv

        rows = write_live_link_csv(args.out, clip)
        print(f'wrote {args.out}: {rows} rows at 60 fps')
        return 0
    save_motion(args.out, clip)
    print(f'wrote {args.out}: {len(clip.values)} frames at {clip.fps:g} fps')
    return 0
