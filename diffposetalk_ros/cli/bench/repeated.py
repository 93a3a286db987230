# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share that repeat a short exchange with the node: options, progress, report."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from diffposetalk_ros.errors import ConfigError

if TYPE_CHECKING:
    from diffposetalk_ros.avatar.parameters import Value
    from diffposetalk_ros.benchmark.table import Table

    Measure = Callable[[int, dict[str, Value], Callable[[int], None]], Table]
    """(repetitions, parameters of the node, told how many are done) -> table."""

__all__ = ['add_repeated_arguments', 'run_repeated']


def add_repeated_arguments(parser: argparse.ArgumentParser, repeated: str, name: str) -> None:
    """Options; ``repeated`` says what is repeated, ``name`` is the file's name by default."""
    parser.add_argument('--times', type=int, default=20, help=f'{repeated} (default: %(default)s)')
    parser.add_argument('--model', default='', help='model folder or name (default: the embedded one)')
    parser.add_argument(
        '-o',
        '--output',
        type=Path,
        default=Path(name),
        help='file name without suffix (default: %(default)s)',
    )


def run_repeated(options: argparse.Namespace, verb: str, each: int, unit: str, measure: Measure) -> int:
    """Measure ``each`` units per repetition, print, write. Raises DiffPoseTalkError on user errors."""
    from tqdm import tqdm

    from diffposetalk_ros.benchmark.table import machine, write_report
    from diffposetalk_ros.util.output_file import check_output_folder
    from diffposetalk_ros.util.resources import find_model

    if options.times < 1:
        raise ConfigError(f'--times {options.times}; use 1 or more')
    parameters: dict[str, Value] = {}
    if options.model:
        parameters['model.path'] = str(find_model(options.model).resolve())
    check_output_folder(options.output.parent)
    command = f'diffposetalk {verb} --times {options.times}'
    about = {'command': command, 'settings': 'defaults', **machine()}
    with tqdm(total=each * options.times, unit=unit) as bar:

        def advance(done: int) -> None:
            bar.update(done - bar.n)

        table = measure(options.times, parameters, advance)
    print(table.markdown(), flush=True)
    for path in write_report(options.output, about, [table]):
        print(path)
    return 0
