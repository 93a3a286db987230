# SPDX-License-Identifier: Apache-2.0
"""Measure the page in a headless Chromium on software GL; write JSON and Markdown.

diffposetalk bench-page                            (pictures a second)
diffposetalk bench-page --pages 50                 (do new pages play sound after one click?)
diffposetalk bench-page --restarts 10              (does an open page speak again after a restart of the demo?)
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffposetalk_ros.benchmark.table import Table

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument('audio', nargs='?', type=Path, help='speech (default: the demo clip)')
    parser.add_argument(
        '--size', default='1280x720', help='WIDTHxHEIGHT of the window (default: %(default)s)'
    )
    parser.add_argument(
        '--seconds', type=float, default=10.0, help='seconds of each run (default: %(default)s)'
    )
    parser.add_argument('--rounds', type=int, default=3, help='runs of each view (default: %(default)s)')
    parser.add_argument(
        '--pages',
        type=int,
        default=0,
        help='open this many new pages during speech and count those that play sound',
    )
    parser.add_argument(
        '--restarts', type=int, default=0, help='restart the demo this many times while a page stays open'
    )
    parser.add_argument('-o', '--output', type=Path, default=Path('page'), help='file name without suffix')


def run(args: argparse.Namespace) -> int:
    """Measure, print, write. Raises DiffPoseTalkError on user errors."""
    from diffposetalk_ros.audio.formats.file import read_audio
    from diffposetalk_ros.benchmark.page.page_sound import first_sound_table, restart_table
    from diffposetalk_ros.benchmark.page.page_speed import browser_versions, page_tables
    from diffposetalk_ros.benchmark.page.talking_source import SpokenClip
    from diffposetalk_ros.benchmark.table import machine, write_report
    from diffposetalk_ros.cli.files.render import parse_size
    from diffposetalk_ros.errors import ConfigError
    from diffposetalk_ros.motion.closure_snap import snap_closures
    from diffposetalk_ros.motion.rig import load_rig
    from diffposetalk_ros.offline.generator import Generator
    from diffposetalk_ros.util.resources import demo_clip

    size = parse_size(args.size)
    if args.pages < 0 or args.restarts < 0:
        raise ConfigError(f'{args.pages} pages, {args.restarts} restarts; give 0 or more')
    if args.seconds < 1 or args.rounds < 1:
        raise ConfigError(f'{args.rounds} runs of {args.seconds:g} s; give 1 or more of each')
    if args.pages or args.restarts:
        options = f'--pages {args.pages} --restarts {args.restarts}'
    else:
        options = f'--size {args.size} --seconds {args.seconds:g} --rounds {args.rounds}'
    command = f'diffposetalk bench-page {options}'
    about = {'command': command, **machine(), **browser_versions()}
    samples = read_audio(args.audio or demo_clip())
    clip = Generator(backend='onnx').generate(samples, style='neutral')
    spoken = SpokenClip(samples, snap_closures(load_rig(), clip.values), clip.fps)

    def measured() -> Iterator[Table]:
        if args.pages:
            yield first_sound_table(spoken, args.pages)
        if args.restarts:
            with tempfile.TemporaryDirectory(prefix='diffposetalk-') as folder:
                yield restart_table(args.restarts, Path(folder))
        if not args.pages and not args.restarts:
            yield from page_tables(spoken, size, args.seconds, args.rounds)

    tables = []
    for table in measured():
        print(table.markdown(), flush=True)
        tables.append(table)
    for path in write_report(args.output, about, tables):
        print(path)
    return 0
