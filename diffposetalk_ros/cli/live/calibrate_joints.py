# SPDX-License-Identifier: Apache-2.0
"""Move a robot slowly through the face channels, within limits, and write the corrected joint map.

    diffposetalk calibrate-joints --map joint_map.yaml -o mine.yaml --dry-run
    diffposetalk calibrate-joints --map joint_map.yaml -o mine.yaml

The second form first moves the robot to rest in three seconds, then sends one slow joint_trajectory per
channel. After each channel, press Enter to keep it, enter a number to multiply its effect (0.8 weakens it,
-1 reverses it), r to repeat, or q (or Ctrl-D) to write the map and quit.
--dry-run needs neither ROS nor a robot. It prints which joints would move.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from math import isfinite
from pathlib import Path
from typing import Any

from diffposetalk_ros.errors import ConfigError

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk calibrate-joints`."""
    parser.add_argument('--map', type=Path, required=True, help='joint map to start from')
    parser.add_argument('-o', '--output', type=Path, help='joint map to write; required without --dry-run')
    parser.add_argument(
        '--channels', nargs='+', help='channels to step through (default: all that move a joint)'
    )
    parser.add_argument('--seconds', type=float, default=3.0, help='time for one channel, s (default 3)')
    parser.add_argument(
        '--dry-run', action='store_true', help='print which joints would move; move and write nothing'
    )


def run(options: argparse.Namespace) -> int:
    """Move each channel, ask what to change, write the map. Raises ConfigError on user errors."""
    from diffposetalk_ros.robot.joint_map_file import dump_joint_map, load_joint_map
    from diffposetalk_ros.robot.sweep import channels_used, scale_channel, sweep
    from diffposetalk_ros.util.output_file import check_output, whole_file

    if not 1.0 <= options.seconds <= 60.0:
        raise ConfigError(f'--seconds {options.seconds}; use 1 to 60')
    if options.output is None and not options.dry_run:
        raise ConfigError('no --output; name the joint map to write')
    if not options.dry_run:
        check_output(options.output, ('.yaml', '.yml'))  # before the session, not after it
    joint_map = load_joint_map(options.map)
    known = channels_used(joint_map)
    for name in options.channels or []:
        if name not in known:
            raise ConfigError(f'{name} moves no joint of {options.map}; use {", ".join(known)}')
    with nullcontext() if options.dry_run else _robot(joint_map) as robot:
        for channel in options.channels or known:
            answer = 'r'
            while answer == 'r':
                motion = sweep(joint_map, channel, options.seconds)
                moved = ', '.join(f'{n} {low:.3f} to {high:.3f}' for n, low, high in motion.moving(joint_map))
                print(f'{channel}: {moved or "nothing moves"}')
                if robot is None:
                    break
                robot.send(motion.positions)
                answer = _answer()
                if answer not in ('', 'r', 'q'):
                    joint_map, answer = scale_channel(joint_map, channel, _factor(answer)), 'r'
            if answer == 'q':
                break
    if options.dry_run:
        return 0
    with whole_file(options.output) as part:
        part.write_text(dump_joint_map(joint_map), encoding='utf-8')
        load_joint_map(part)
    print(f'wrote {options.output} with {len(joint_map.joints)} joints')
    return 0


@contextmanager
def _robot(joint_map: Any) -> Iterator[Any]:
    """A TrajectorySender, once the robot is at rest. Raises ConfigError without ROS."""
    try:
        from diffposetalk_ros.ros.support.trajectory_sender import TrajectorySender
    except ImportError as error:
        raise ConfigError(f'ROS is not available ({error}); use --dry-run') from error
    with TrajectorySender(joint_map) as sender:
        print('waiting for a subscriber of joint_trajectory ...')
        sender.wait()
        print('moving the robot slowly to rest')
        sender.approach()
        yield sender


def _answer() -> str:
    """What to do with the channel; the end of the input is q, so that earlier answers are written."""
    try:
        return input('Enter keep, number multiplies, r repeats, q ends: ').strip().lower()
    except EOFError:
        return 'q'


def _factor(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = float('nan')
    if not isfinite(factor) or abs(factor) > 10:
        print(f'{text!r} is not a number from -10 to 10; nothing was changed')
        return 1.0
    return factor
