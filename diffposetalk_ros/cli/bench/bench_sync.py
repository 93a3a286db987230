# SPDX-License-Identifier: Apache-2.0
"""Measure whether face and audio_out part when sound is late, stops, or the machine is busy.

Live speech goes over DDS to the node in a process of its own; face and sound are recorded in another.
"""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument(
        '--times', type=int, default=20, help='utterances of each disturbance (default: %(default)s)'
    )
    parser.add_argument('--model', default='', help='model folder or name (default: the embedded one)')
    parser.add_argument(
        '-o', '--output', type=Path, default=Path('sync'), help='file name without suffix (default: sync)'
    )


def run(options: argparse.Namespace) -> int:
    """Measure, print, write. Raises DiffPoseTalkError on user errors."""
    from tqdm import tqdm

    from diffposetalk_ros.avatar.parameters import Value
    from diffposetalk_ros.benchmark.ros.sync_bench import DISTURBANCES, sync_table
    from diffposetalk_ros.benchmark.table import machine, write_report
    from diffposetalk_ros.errors import ConfigError
    from diffposetalk_ros.util.output_file import check_output_folder
    from diffposetalk_ros.util.resources import find_model

    if options.times < 1:
        raise ConfigError(f'--times {options.times}; use 1 or more')
    parameters: dict[str, Value] = {}
    if options.model:
        parameters['model.path'] = str(find_model(options.model).resolve())
    check_output_folder(options.output.parent)
    command = f'diffposetalk bench-sync --times {options.times}'
    about = {'command': command, 'settings': 'everything as by default', **machine()}
    with tqdm(total=len(DISTURBANCES) * options.times, desc='utterances', unit='utterance') as bar:
        table = sync_table(options.times, parameters, lambda done: bar.update(done - bar.n))
    print(table.markdown(), flush=True)
    for path in write_report(options.output, about, [table]):
        print(path)
    return 0
