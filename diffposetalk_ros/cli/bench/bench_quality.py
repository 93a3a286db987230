# SPDX-License-Identifier: Apache-2.0
"""Compare quality and computing time of each solver and number of steps with ancestral sampling of many steps."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from diffposetalk_ros.errors import ConfigError

if TYPE_CHECKING:
    from diffposetalk_ros.evaluation.speech_sets import SpeechClip

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk bench-quality`."""
    parser.add_argument(
        'clips',
        type=Path,
        nargs='?',
        help='clips.jsonl with phone times (default: align the recordings again)',
    )
    parser.add_argument('--model', default='embedded', help='model folder, or the name of a bundled model')
    parser.add_argument('--per-set', type=int, default=2, help='clips of each set, evenly spread (default 2)')
    parser.add_argument('--reference', type=int, default=500, help='ancestral steps (default 500)')
    parser.add_argument('--styles', type=int, default=20, help='styles of the retrieval test (default 20)')
    parser.add_argument(
        '--scales',
        default='1:1,1.5:1',
        help='guidance on speech and style, comma-separated SPEECH:STYLE (default 1:1,1.5:1)',
    )
    parser.add_argument('--backend', default='auto', help='auto, onnx or torch')
    parser.add_argument('--device', default='cpu', help="'cpu', 'cuda', 'cuda/bfloat16', ...")
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '-o', '--output', type=Path, default=Path('quality_speed'), help='file name without suffix'
    )


def run(options: argparse.Namespace) -> int:
    """Measure and write Markdown and JSON. Raises ConfigError without clips."""
    from diffposetalk_ros.benchmark.quality import Quality, QualitySettings, quality_table
    from diffposetalk_ros.benchmark.table import machine, write_report
    from diffposetalk_ros.cli.checks import check_at_least, check_seed
    from diffposetalk_ros.evaluation.comparison import evenly
    from diffposetalk_ros.motion.rig import load_rig
    from diffposetalk_ros.offline.generator import Generator

    check_seed(options)
    check_at_least(options, 1, 'per_set', 'reference')
    check_at_least(options, 2, 'styles')
    scales = _scales(options.scales)
    settings = QualitySettings(reference=options.reference, styles=options.styles, seed=options.seed)
    sets: dict[str, list[SpeechClip]] = {}
    for clip in _clips(options.clips):
        sets.setdefault(clip.split, []).append(clip)
    chosen = [clip for some in sets.values() for clip in evenly(some, options.per_set)]
    if not chosen:
        raise ConfigError(f'{options.clips} lists no clip')
    generator = Generator(options.model, options.backend, options.device)

    def show(name: str, made: Quality) -> None:
        print(
            f'{name}: {made.hop:.2f} ms, recall {made.recall:.2f}, precision {made.precision:.2f}, '
            f'LVE {made.lve:.2f}, FDD {made.fdd:.2f}, styles {made.found:.2f}',
            flush=True,
        )

    about = {
        'command': f'diffposetalk bench-quality CLIPS --model {generator.model.folder.name} '
        f'--per-set {options.per_set} --reference {options.reference} --styles {options.styles} '
        f'--scales {options.scales}',
        **machine(),
    }
    rig, tables = load_rig(), []
    for pair in scales:
        print(f'guidance scales {pair[0]:g} and {pair[1]:g}')
        tables.append(quality_table(generator, chosen, rig, pair, settings, show))
        # Written after every table, so that an interruption keeps what was measured.
        paths = write_report(options.output, about, tables)
    for path in paths:
        print(path)
    return 0


def _scales(text: str) -> tuple[tuple[float, float], ...]:
    try:
        pairs = [tuple(float(part) for part in pair.split(':')) for pair in text.split(',')]
        return tuple((speech, style) for speech, style in pairs)
    except ValueError as error:
        raise ConfigError(
            f'--scales {text!r}; write SPEECH:STYLE, comma-separated, as in 1:1,1.5:1'
        ) from error


def _clips(index: Path | None) -> list[SpeechClip]:
    from diffposetalk_ros.evaluation.speech_sets import (
        asterisk_prompts,
        librivox_clips,
        load_clips,
        time_phones,
    )

    if index is not None:
        return load_clips(index)
    return [clip for made in (asterisk_prompts(), librivox_clips()) for clip in time_phones(made)[0]]
