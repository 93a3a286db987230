# SPDX-License-Identifier: Apache-2.0
"""Measure a live node over DDS during minutes of speech and pauses.

The node runs in its own process. Another process records face_motion, head_pose, audio_out and /diagnostics
and measures missing and duplicate frames, exact stamps, release jitter, added delay, underflows, CPU time and
memory. --cycles first repeats the lifecycle of the node and checks for leaks. The benchmark uses its own DDS
domain on this machine; the machine should be idle otherwise.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from diffposetalk_ros.cli.node_parameters import add_node_parameters
from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.util.resources import demo_clip

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from diffposetalk_ros.avatar.parameters import Value
    from diffposetalk_ros.benchmark.live.speech_plan import Stretch
    from diffposetalk_ros.benchmark.ros.live_bench import LiveBench
    from diffposetalk_ros.benchmark.table import Table

    Speech = tuple[NDArray[np.float32], int, list[Stretch]]

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk bench-live`."""
    parser.add_argument('audio', nargs='?', type=Path, help='speech to repeat (default: a bundled clip)')
    parser.add_argument(
        '--minutes', type=float, default=10.0, help='duration in minutes (default 10; 0 skips it)'
    )
    parser.add_argument('--output-rate', type=float, default=50.0, help='frames per second (default 50)')
    parser.add_argument('--seed', type=int, default=0, help='seed of speech, pauses and noise (default 0)')
    parser.add_argument('--model', default='', help='model folder (default: the embedded model)')
    add_node_parameters(parser)
    parser.add_argument('--cycles', type=int, default=0, help='lifecycle cycles to run first (default 0)')
    parser.add_argument('-o', '--output', type=Path, default=Path('live'), help='file name without suffix')


def run(options: argparse.Namespace) -> int:
    """Measure, print, write JSON and Markdown. Raises DiffPoseTalkError on user errors."""
    try:
        import rclpy

        import diffposetalk_ros.msg  # noqa: F401
    except ImportError as error:
        raise ConfigError(f'ROS 2 or the built messages are missing ({error}); run scripts/setup') from error
    from diffposetalk_ros.avatar.parameters import config_from, read_assignment
    from diffposetalk_ros.benchmark.live.live_report import bars_missed
    from diffposetalk_ros.benchmark.ros.live_bench import LiveBench
    from diffposetalk_ros.benchmark.table import machine, write_report
    from diffposetalk_ros.util.demo_domain import use_private_domain
    from diffposetalk_ros.util.output_file import check_output_folder

    if not 0 <= options.minutes < inf or options.cycles < 0 or not (options.minutes or options.cycles):
        raise ConfigError(f'--minutes {options.minutes:g} --cycles {options.cycles}: nothing to measure')
    parameters: dict[str, Value] = {
        'playout.output_rate': options.output_rate,
        'publish.audio_out': True,
        'sampler.seed': options.seed,
    }
    if options.model:
        parameters['model.path'] = str(Path(options.model).resolve())
    parameters |= dict(map(read_assignment, options.parameters))
    config_from(parameters)
    check_output_folder(options.output.parent)
    speech = _speech(options) if options.minutes else None
    about = {
        'command': _command(options),
        'settings': f'seed {options.seed}, audio_out on, defaults otherwise',
        **machine(),
        'middleware': rclpy.get_rmw_implementation_identifier(),
    }
    for name, value in about.items():
        print(f'{name}: {value}')
    use_private_domain()
    tables: list[Table] = []
    with tempfile.TemporaryDirectory() as folder, LiveBench(parameters, Path(folder) / 'node.log') as bench:
        if options.cycles:
            tables.append(_cycle(bench, options.cycles))
        if speech is not None:
            rate = float(parameters['playout.output_rate'])
            tables += _speak(bench, speech, options.minutes, rate)
    for table in tables:
        print('\n' + table.markdown(), end='')
    for path in write_report(options.output, about, tables):
        print(path)
    for name in bars_missed(tables):
        print(f'not met: {name}')
    return 0


def _command(options: argparse.Namespace) -> str:
    command = f'diffposetalk bench-live --minutes {options.minutes:g} --output-rate {options.output_rate:g}'
    if options.cycles:
        command += f' --cycles {options.cycles}'
    if options.model:
        command += f' --model {options.model}'
    return ' '.join([command, *(f'-p {word}' for word in options.parameters)])


def _cycle(bench: LiveBench, count: int) -> Table:
    from tqdm import tqdm

    from diffposetalk_ros.benchmark.live.live_report import cycle_table

    bar = tqdm(range(count), desc='cycles', unit='cycle', disable=not sys.stderr.isatty())
    return cycle_table([bench.cycle() for _ in bar])


def _speech(options: argparse.Namespace) -> Speech:
    from diffposetalk_ros.audio.formats.file import read_native
    from diffposetalk_ros.benchmark.live.speech_plan import plan_speech

    samples, rate = read_native(options.audio or demo_clip())
    return samples, rate, plan_speech(60 * options.minutes, options.seed)


def _speak(bench: LiveBench, sound: Speech, minutes: float, rate: float) -> list[Table]:
    from tqdm import tqdm

    from diffposetalk_ros.benchmark.live.live_report import live_tables
    from diffposetalk_ros.benchmark.ros.paced_speech import PacedSpeech
    from diffposetalk_ros.playout.playout import PlayoutState

    speech = PacedSpeech(bench.node, *sound)
    bench.activate()
    length = round(60 * minutes)
    with tqdm(total=length, unit='s', desc='live', disable=not sys.stderr.isatty()) as bar:

        def show(seconds: float, state: int) -> None:
            bar.set_postfix_str(PlayoutState(state).label, refresh=False)
            bar.update(max(0, min(length, round(seconds)) - bar.n))

        record = bench.speak(speech, show)
    info = bench.info
    delay = info.playout_delay.sec + info.playout_delay.nanosec * 1e-9
    return live_tables(record, rate, delay, 1.0 / info.model_rate)
