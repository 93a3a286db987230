# SPDX-License-Identifier: Apache-2.0
"""Draw a motion file as a video with sound, a GIF or a picture of the head, on the CPU."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from diffposetalk_ros.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument(
        'motion', nargs='*', type=Path, help='.npz, .csv or .json; several are drawn side by side'
    )
    parser.add_argument('--audio', type=Path, help='sound file that goes with the motion (MP4 only)')
    parser.add_argument('-o', '--out', type=Path, required=True, help='OUT.mp4, OUT.gif or OUT.png')
    parser.add_argument('--size', help='WIDTHxHEIGHT in pixels (default 1280x720, GIF 480x360)')
    parser.add_argument('--fps', type=float, help='frame rate of the video (default: that of the motion)')
    parser.add_argument('--motion-fps', type=float, help='frame rate of a CSV file that does not state it')
    parser.add_argument('--workers', type=int, help='number of processes (default: up to 4)')
    parser.add_argument(
        '--closure-snap',
        type=float,
        metavar='MM',
        help='show lip openings up to this many mm as contact; 0 shows the motion unchanged (default 0.8)',
    )
    parser.add_argument('--face', help='which head: robin or maya (default robin)')
    parser.add_argument('--channels', action='store_true', help='draw each ARKit channel alone, at 1 (PNG)')
    parser.add_argument(
        '--poses', action='store_true', help='draw every head in several views and poses (PNG)'
    )


def run(args: argparse.Namespace) -> int:
    """Draw and write the file. Raises DiffPoseTalkError on user errors."""
    from diffposetalk_ros.motion.closure_snap import DEFAULT_SNAP
    from diffposetalk_ros.motion.files.motion_file import load_face
    from diffposetalk_ros.motion.rig.face import DEFAULT_FACE
    from diffposetalk_ros.viewer.render import channel_sheet
    from diffposetalk_ros.viewer.render_file import RenderOptions, render_to_file, write_image

    if (args.channels or args.poses) and (args.motion or args.out.suffix.lower() != '.png'):
        name = '--channels' if args.channels else '--poses'
        raise ConfigError(f'{name} takes no motion file and writes a .png')
    if args.poses:
        from diffposetalk_ros.viewer.pose_sheet import pose_sheet

        write_image(args.out, pose_sheet())
        print(f'wrote {args.out} with every head')
        return 0
    if args.channels:
        write_image(args.out, channel_sheet(face=args.face or DEFAULT_FACE))
        print(f'wrote {args.out} with 52 channels')
        return 0
    if not args.motion:
        raise ConfigError('no motion file named; diffposetalk generate makes one from speech')
    workers = args.workers if args.workers is not None else min(4, os.cpu_count() or 1)
    if not 1 <= workers <= 64:
        raise ConfigError(f'--workers {workers} is out of range; use 1 to 64')
    default = '480x360' if args.out.suffix.lower() == '.gif' else '1280x720'
    snap = DEFAULT_SNAP if args.closure_snap is None else args.closure_snap
    options = RenderOptions(
        parse_size(args.size or default), args.fps, workers, snap=snap, face=args.face or DEFAULT_FACE
    )
    clips = [load_face(path, args.motion_fps) for path in args.motion]
    labels = [path.stem for path in args.motion]
    start = time.perf_counter()
    frames = render_to_file(clips, args.out, args.audio, labels, options)
    took = time.perf_counter() - start
    print(f'wrote {args.out}: {frames} frames in {took:.1f} s ({frames / took:.0f} per second)')
    return 0


def parse_size(text: str) -> tuple[int, int]:
    """WIDTHxHEIGHT -> pixels. Raises ConfigError for anything else."""
    parts = text.lower().split('x')
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise ConfigError(f'--size {text!r} is not WIDTHxHEIGHT; write for example 1280x720')
    return int(parts[0]), int(parts[1])
