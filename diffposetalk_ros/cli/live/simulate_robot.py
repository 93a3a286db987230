# SPDX-License-Identifier: Apache-2.0
"""Move a simulated robot by a speech file; print the lag of every joint and draw a video.

    diffposetalk simulate-robot speech.wav -o robot.mp4

Runs MuJoCo without ROS, as fast as possible. Without -o, no video is written.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

__all__ = ['add_arguments', 'run']

_FPS = 25.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk simulate-robot`."""
    parser.add_argument('audio', type=Path, help='speech file')
    parser.add_argument('--map', type=Path, help='joint map (default: the example)')
    parser.add_argument('--urdf', type=Path, help='robot description (default: the example)')
    parser.add_argument('--style', default='neutral', help='speaking style')
    parser.add_argument('--no-compensation', action='store_true', help='ignore the delays in the joint map')
    parser.add_argument('-o', '--output', type=Path, help='video to write (.mp4)')


def run(options: argparse.Namespace) -> int:
    """Simulate, print, draw. Raises DiffPoseTalkError on user errors."""
    from diffposetalk_ros.audio.formats.file import read_audio
    from diffposetalk_ros.offline.generator import Generator
    from diffposetalk_ros.robot.closed_loop import follow_clip, lag_of, map_order
    from diffposetalk_ros.robot.commander import CommanderConfig
    from diffposetalk_ros.robot.joint_map_file import load_joint_map
    from diffposetalk_ros.robot.simulated_head import SimulatedHead
    from diffposetalk_ros.util.output_file import check_not_input, check_output
    from diffposetalk_ros.util.resources import find_shared
    from diffposetalk_ros.viewer.render_file import write_mp4

    if options.output is not None:
        check_output(options.output, ('.mp4',))
        check_not_input(options.output, [options.audio])
    joint_map = load_joint_map(options.map or find_shared('config/joint_map.yaml'))
    head = SimulatedHead(options.urdf or find_shared('urdf/avatar_head.urdf'))
    map_order(joint_map, head)  # fails now, not after the work
    if options.output is not None:
        head.render()  # fails now, not after the work, where nothing can be drawn
    clip = Generator().generate(read_audio(options.audio), style=options.style)
    pictures: list[Any] = []

    def look(moment: float) -> None:
        if options.output is not None and moment * _FPS >= len(pictures) - 1e-6:
            pictures.append(head.render())

    config = CommanderConfig(compensate_delay=not options.no_compensation)
    recording = follow_clip(clip, joint_map, head, config, each_tick=look)
    for name in recording.names:
        wanted, measured = recording.joint(name)
        lag = lag_of(wanted, measured, 0.005)
        print(f'{name:<18} lag {1e3 * lag:4.0f} ms   range {measured.min():.3f} to {measured.max():.3f}')
    if options.output is not None:
        size = pictures[0].shape[1], pictures[0].shape[0]
        write_mp4(options.output, iter(pictures), _FPS, size, options.audio, clip.duration)
        print(f'wrote {options.output} with {len(pictures)} frames')
    return 0
