# SPDX-License-Identifier: Apache-2.0
"""Measure how fast this machine renders a spoken clip to MP4, and write JSON and Markdown."""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument('audio', nargs='?', type=Path, help='speech (default: the demo clip)')
    parser.add_argument('--size', default='1280x720', help='WIDTHxHEIGHT in pixels (default: %(default)s)')
    parser.add_argument(
        '--workers',
        type=int,
        nargs='+',
        default=[1, 2],
        help='numbers of processes to compare (default: 1 2)',
    )
    parser.add_argument('-o', '--output', type=Path, default=Path('render'), help='file name without suffix')


def run(args: argparse.Namespace) -> int:
    """Measure, print, write. Raises DiffPoseTalkError on user errors."""
    from diffposetalk_ros.audio.formats.file import read_audio
    from diffposetalk_ros.benchmark.rendering import render_tables
    from diffposetalk_ros.benchmark.table import machine, write_report
    from diffposetalk_ros.cli.files.render import parse_size
    from diffposetalk_ros.offline.generator import Generator
    from diffposetalk_ros.util.resources import demo_clip

    size = parse_size(args.size)
    about = {'command': f'diffposetalk bench-render --size {args.size}', **machine()}
    about |= {package: version(package) for package in ('matplotlib', 'av')}
    audio = args.audio or demo_clip()
    clip = Generator().generate(read_audio(audio), style='neutral')
    tables = []
    for table in render_tables(clip, audio, size, tuple(args.workers)):
        print(table.markdown(), flush=True)
        tables.append(table)
    for path in write_report(args.output, about, tables):
        print(path)
    return 0
