# SPDX-License-Identifier: Apache-2.0
"""Measure whether face and audio_out part when sound is late, stops, or the machine is busy.

Live speech goes over DDS to the node in a process of its own; face and sound are recorded in another.
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
