# SPDX-License-Identifier: Apache-2.0
"""Measure speed on this machine and write JSON and Markdown.

By default this takes under a minute and measures the embedded model live and offline. --full (about three
minutes, needs torch) adds the released configuration at full size and the reference algorithm at 500 steps.
--device cuda measures only that configuration on a GPU: speed against the reference, live hops, avatars, memory.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from diffposetalk_ros.benchmark.table import Table
from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.util.extras import install_command

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk bench`."""
    parser.add_argument('--model', help='model folder, or the name of a bundled model (default: embedded)')
    parser.add_argument('--full', action='store_true', help='measure longer, and compare at full size')
    parser.add_argument(
        '--reference-steps',
        type=int,
        default=10,
        help='steps of the reference algorithm to measure; 500 is one complete run (default: 10)',
    )
    parser.add_argument(
        '--device',
        metavar='WORD',
        help='measure only the released configuration, on this torch device: cuda, cuda:1 (cpu takes long)',
    )
    parser.add_argument(
        '-o', '--output', type=Path, default=Path('benchmark'), help='file name without suffix'
    )


def run(options: argparse.Namespace) -> int:
    """Measure, print each table as soon as it is complete, and write the report."""
    from diffposetalk_ros.benchmark.table import machine, write_report

    if options.device and (options.model or options.full):
        raise ConfigError('--device measures the released configuration; omit --model and --full')
    options.model = options.model or 'embedded'
    command = f'diffposetalk bench --model {options.model}' + (' --full' if options.full else '')
    if options.device:
        command = f'diffposetalk bench --device {options.device}'
    if options.full or options.device:
        command += f' --reference-steps {options.reference_steps}'
    about, tables = {'command': command, **machine()}, []
    for table in _device_tables(options) if options.device else _tables(options):
        print(table.markdown(), flush=True)
        tables.append(table)
        # Written after every table, so that an interruption keeps what was measured.
        paths = write_report(options.output, about, tables)
    for path in paths:
        print(path)
    return 0


def _tables(options: argparse.Namespace) -> Iterator[Table]:
    from diffposetalk_ros.benchmark.speed.embedded import embedded_tables
    from diffposetalk_ros.benchmark.speed.footprint import footprint_table
    from diffposetalk_ros.model.loader import open_model

    model = open_model(options.model, 'onnx', 'cpu')
    yield footprint_table(str(model.folder))
    yield from embedded_tables(model, options.full)
    if find_spec('torch') is None:
        yield Table('Full size', 'Not measured: torch is not installed.', ('', ''), ())
        return
    import torch

    from diffposetalk_ros.benchmark.speed.full_size import full_size_table, reference_table
    from diffposetalk_ros.benchmark.speed.served import host_table

    torch.set_num_threads(os.cpu_count() or 1)
    config = model.backend.config
    if config.use_indicator:
        yield reference_table(config, options.reference_steps if options.full else 5)
    if options.full:
        yield full_size_table(options.reference_steps)
        yield host_table()


def _device_tables(options: argparse.Namespace) -> Iterator[Table]:
    if find_spec('torch') is None or find_spec('transformers') is None:
        raise ConfigError(f'--device needs torch and transformers; {install_command("torch")}')
    from diffposetalk_ros.benchmark.speed.full_size import full_size_table
    from diffposetalk_ros.benchmark.speed.served import ServedConfig, served_tables
    from diffposetalk_ros.model.torch.backend import usable_device

    usable_device(options.device)
    yield full_size_table(options.reference_steps, options.device)
    # A step takes a second on a CPU, and milliseconds on a GPU.
    small = ServedConfig(hops=20, avatars=(1, 2), seconds=2.0)
    yield from served_tables(options.device, small if options.device == 'cpu' else None)
