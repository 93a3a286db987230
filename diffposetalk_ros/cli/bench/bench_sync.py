# SPDX-License-Identifier: Apache-2.0
"""Measure whether face and audio_out stay synchronised when sound is late or stops, or the machine is busy.

Sends live speech over DDS to a node in one process and records face and sound in another process.
"""

from __future__ import annotations

import argparse

from diffposetalk_ros.cli.bench.repeated import add_repeated_arguments, run_repeated

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_repeated_arguments(parser, 'utterances of each disturbance', 'sync')


def run(options: argparse.Namespace) -> int:
    """Measure, print, write. Raises DiffPoseTalkError on user errors."""
    from diffposetalk_ros.benchmark.ros.sync_bench import DISTURBANCES, sync_table

    return run_repeated(options, 'bench-sync', len(DISTURBANCES), 'utterance', sync_table)
