# SPDX-License-Identifier: Apache-2.0
"""Measure the joints of the example robot and write JSON and Markdown.

Measures the computing time of the joint map, jaw closures against sound in MuJoCo, and the motion to rest when
the input stops. --live adds the whole chain over DDS with one process per node; it needs ROS and another minute.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from diffposetalk_ros.errors import ConfigError

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk bench-robot`."""
    parser.add_argument('--live', action='store_true', help='run the chain of nodes as well')
    parser.add_argument(
        '--speed',
        type=float,
        default=1.0,
        help='speed of the live simulation; use less on a busy machine (default 1)',
    )
    parser.add_argument('-o', '--output', type=Path, default=Path('robot'), help='file name without suffix')


def run(options: argparse.Namespace) -> int:
    """Measure, print, write. Raises DiffPoseTalkError where ruckig, MuJoCo or ROS are missing."""
    from diffposetalk_ros.audio.formats.file import read_audio
    from diffposetalk_ros.benchmark.robot import closure_row, closure_table, rest_table, speed_table
    from diffposetalk_ros.benchmark.table import machine, write_report
    from diffposetalk_ros.offline.generator import Generator
    from diffposetalk_ros.robot.closed_loop import follow_clip, load_closures
    from diffposetalk_ros.robot.commander import CommanderConfig
    from diffposetalk_ros.robot.joint_map_file import load_joint_map
    from diffposetalk_ros.robot.simulated_head import SimulatedHead
    from diffposetalk_ros.util.resources import demo_clip, find_shared

    if not 0.1 <= options.speed <= 1.0:
        raise ConfigError(f'--speed {options.speed:g}; use 0.1 to 1')
    live = f' --live --speed {options.speed:g}' if options.live else ''
    about = {'command': f'diffposetalk bench-robot{live}', **machine()}
    example, closures = load_joint_map(find_shared('config/joint_map.yaml')), load_closures()
    clip = Generator().generate(read_audio(demo_clip()), style='neutral', seed=0)
    rows = []
    for name, compensate in (('compensated', True), ('not compensated', False)):
        head = SimulatedHead(find_shared('urdf/avatar_head.urdf'))
        recording = follow_clip(clip, example, head, CommanderConfig(compensate_delay=compensate))
        rows.append(closure_row(f'whole clip, {name}', recording, closures))
    tables = [speed_table(example), rest_table(clip, example)]
    if options.live:
        from diffposetalk_ros.benchmark.ros.robot_bench import RobotBench
        from diffposetalk_ros.util.demo_domain import use_private_domain

        use_private_domain()
        for name, compensate in (('compensated', True), ('not compensated', False)):
            with RobotBench(compensate, options.speed) as bench:
                made = bench.speak(demo_clip())
            late = made.underflows + made.late_starts
            rows.append(closure_row(f'live over DDS, {name}', made.recording, closures, late))
    note = (
        'models/demo/hello.flac; servos of urdf/avatar_head.urdf in MuJoCo; bilabials by forced alignment. '
        'Whole clip: generated at once, played to the commander. Live: player, node, joint_command_node and '
        'mujoco_node as processes, against the sound as audio_out plays it.'
    )
    tables.insert(1, closure_table(rows, note))
    for table in tables:
        print(table.markdown())
    for path in write_report(options.output, about, tables):
        print(path)
    return 0
