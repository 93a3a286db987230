# SPDX-License-Identifier: Apache-2.0
"""Compare hop and look-ahead of a stream: delay, lip sync, seams, processor time."""

from __future__ import annotations

import argparse
from pathlib import Path

from diffposetalk_ros.errors import ConfigError

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk bench-stream`."""
    parser.add_argument('clips', type=Path, help='clips.jsonl as `diffposetalk evaluate` writes it')
    parser.add_argument('--model', default='embedded', help='model folder, or the name of a bundled model')
    parser.add_argument('--hops', type=int, default=10, help='k = 1..N (default 10)')
    parser.add_argument('--look-aheads', type=int, default=5, help='L = 0..N (default 5)')
    parser.add_argument(
        '--seconds', type=float, default=60.0, help='use at most this much speech, s (default 60)'
    )
    parser.add_argument(
        '--sampler', default='ddim:2:quadratic', help='SOLVER:STEPS[:SPACING] (default: as in the node)'
    )
    parser.add_argument(
        '--scale-audio', type=float, default=1.0, help='guidance on speech (default 1, as in the node)'
    )
    parser.add_argument(
        '-o', '--output', type=Path, default=Path('streaming'), help='file name without suffix'
    )


def run(options: argparse.Namespace) -> int:
    """Measure and write Markdown and JSON. Raises ConfigError without clips."""
    from diffposetalk_ros.benchmark.hops import HopScore, hop_table
    from diffposetalk_ros.benchmark.table import machine, write_report
    from diffposetalk_ros.evaluation.comparison import evenly
    from diffposetalk_ros.evaluation.contenders import parse_sampler
    from diffposetalk_ros.evaluation.speech_sets import load_clips
    from diffposetalk_ros.model.backend import SamplingConfig
    from diffposetalk_ros.model.loader import open_model
    from diffposetalk_ros.motion.rig import load_rig

    clips = load_clips(options.clips)
    if not clips:
        raise ConfigError(f'{options.clips} lists no clip')
    total = sum(clip.duration for clip in clips)
    chosen = evenly(clips, max(1, round(len(clips) * min(1.0, options.seconds / total))))
    model = open_model(options.model, 'onnx', 'cpu')
    sampling = parse_sampler(options.sampler, SamplingConfig(scale_audio=options.scale_audio))

    def show(made: HopScore) -> None:
        print(
            f'k {made.hop} L {made.look_ahead}: {made.delay:.0f} ms, recall {made.recall:.2f}, '
            f'precision {made.precision:.2f}, viseme r {made.visemes:.2f}, LVE {made.lve:.2f}, seam {made.seam:.2f}, '
            f'{100 * made.load:.1f} % of a core',
            flush=True,
        )

    table = hop_table(
        model,
        chosen,
        load_rig(),
        sampling,
        range(1, options.hops + 1),
        range(options.look_aheads + 1),
        show,
    )
    about = {
        'command': f'diffposetalk bench-stream CLIPS --model {model.folder.name} '
        f'--hops {options.hops} --look-aheads {options.look_aheads} --seconds {options.seconds:g} '
        f'--sampler {options.sampler}',
        **machine(),
    }
    for path in write_report(options.output, about, [table]):
        print(path)
    return 0
