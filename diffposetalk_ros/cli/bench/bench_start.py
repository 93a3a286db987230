# SPDX-License-Identifier: Apache-2.0
"""Measure the time from a burst of speech to its first frame and sound, and from an interrupt to rest.

Sends bursts of the bundled clip over DDS to a node in one process and measures the times in another process.
"""

from __future__ import annotations

import argparse

from diffposetalk_ros.cli.bench.repeated import add_repeated_arguments, run_repeated

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_repeated_arguments(parser, 'bursts with and without stamps', 'start')


def run(options: argparse.Namespace) -> int:
    """Measure, print, write. Raises DiffPoseTalkError on user errors."""
    from diffposetalk_ros.benchmark.ros.start_bench import start_table

    return run_repeated(options, 'bench-start', 2, 'burst', start_table)
