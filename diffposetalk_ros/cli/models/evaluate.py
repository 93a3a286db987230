# SPDX-License-Identifier: Apache-2.0
"""Measure a model on recorded human speech and on held-out synthetic speech; write a report.

Sets: asterisk and librivox (Debian packages), clips (--own-clips), dev (--corpus).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from diffposetalk_ros.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from diffposetalk_ros.evaluation.speech_sets import SpeechClip, Transcribed
    from diffposetalk_ros.model.loader import LoadedModel

__all__ = ['add_arguments', 'run']

_SETS = ('asterisk', 'librivox', 'clips', 'dev')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk evaluate`."""
    parser.add_argument('--model', default='embedded', help='model folder, or the name of a bundled model')
    parser.add_argument('--sets', default='asterisk,librivox', help=f'comma-separated: {", ".join(_SETS)}')
    parser.add_argument('--own-clips', type=Path, metavar='DIR', help='recordings of the set clips')
    parser.add_argument(
        '--transcripts',
        type=Path,
        metavar='JSON',
        help='transcripts of these recordings (default: DIR/transcripts.json)',
    )
    parser.add_argument('--corpus', type=Path, metavar='DIR', help='corpus whose dev split is the set dev')
    parser.add_argument(
        '--clips', type=Path, metavar='JSONL', help='clips with phone times, used instead of aligning'
    )
    parser.add_argument('--limit', type=int, help='use at most this many clips of each set, evenly spread')
    parser.add_argument(
        '--reference-clips',
        type=int,
        default=12,
        metavar='N',
        help='clips of each set for samplers of more than 50 steps (default 12)',
    )
    parser.add_argument(
        '--jobs',
        type=int,
        help='clips that such samplers process at once (default: number of cores, at most 4)',
    )
    parser.add_argument(
        '--samplers', help='comma-separated SOLVER:STEPS[:SPACING]; the others are compared with the first'
    )
    parser.add_argument('--style', default='neutral', help='style of the model and of the reference')
    parser.add_argument('--scale-audio', type=float, help='guidance scale of speech')
    parser.add_argument('--scale-style', type=float, help='guidance scale of the style')
    parser.add_argument(
        '--mouth-noise', type=float, help='noise of the mouth, 0 to 1 (default: set by the model)'
    )
    parser.add_argument('--regressor', help='model folder of a deterministic regressor to compare with')
    parser.add_argument(
        '--styles', type=int, default=100, help='number of styles in the retrieval test; 0 skips it'
    )
    parser.add_argument(
        '--alive', action='store_true',
        help='compare eyes, brows and head with people, instead of the lips',
    )  # fmt: skip
    parser.add_argument(
        '--languages', nargs='*', metavar='CODE',
        help='measure the lips by language, on voices not used for tuning; without CODE: all languages',
    )  # fmt: skip
    parser.add_argument('--seeds', type=int, default=5, help='seeds of --alive, from --seed on (default 5)')
    parser.add_argument(
        '--random-styles',
        type=int,
        default=40,
        help='random styles of --alive; 0 for none (default 40)',
    )
    parser.add_argument('--tracks', type=Path, metavar='DIR', help='tracks of people for --alive (.npz)')
    parser.add_argument('--backend', default='auto', help='auto, onnx or torch')
    parser.add_argument('--device', default='auto', help='auto, cpu or cuda')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--out',
        type=Path,
        help='report to write (default: docs/evaluation.md, with --alive docs/alive_report.md)',
    )


def _recordings(name: str, options: argparse.Namespace) -> Iterable[Transcribed]:
    from diffposetalk_ros.evaluation import speech_sets

    if name == 'asterisk':
        return speech_sets.asterisk_prompts()
    if name == 'librivox':
        return speech_sets.librivox_clips()
    if options.own_clips is None:
        raise ConfigError('the set clips needs --own-clips DIR with a transcripts.json')
    return speech_sets.own_clips(options.own_clips, options.transcripts)


def _load_sets(options: argparse.Namespace) -> tuple[dict[str, list[SpeechClip]], list[str]]:
    from diffposetalk_ros.evaluation.comparison import evenly
    from diffposetalk_ros.evaluation.speech_sets import load_clips, time_phones

    names = [name for name in options.sets.split(',') if name]
    for name in names:
        if name not in _SETS:
            raise ConfigError(f'no set {name!r}; use {", ".join(_SETS)}')
    sets: dict[str, list[SpeechClip]] = {}
    left_out: list[str] = []
    for name in names:
        if name == 'dev':
            if options.corpus is None:
                raise ConfigError('the set dev needs --corpus DIR made by diffposetalk corpus')
            clips = load_clips(options.corpus / 'clips.jsonl', ('dev',))
        elif options.clips is not None:
            clips = load_clips(options.clips, (name,))
        else:
            print(f'timing the phones of {name} ...', flush=True)
            clips, refused = time_phones(_recordings(name, options))
            left_out += refused
        if not clips:
            raise ConfigError(f'the set {name} is empty; check its files')
        sets[name] = evenly(clips, options.limit)
    return sets, left_out


def _named(model: LoadedModel) -> str:
    return f'{model.folder.name}, sha256 of the weights {model.checksum()[:12]}'


def _run_alive(options: argparse.Namespace) -> int:
    """Measure "Alive" and write its report."""
    from diffposetalk_ros.cli.checks import check_at_least, check_seed
    from diffposetalk_ros.evaluation.alive.report import write
    from diffposetalk_ros.evaluation.alive.run import measure_alive
    from diffposetalk_ros.offline.generator import Generator

    check_seed(options)
    check_at_least(options, 1, 'seeds')
    check_at_least(options, 0, 'random_styles')
    sets, _ = _load_sets(options)
    report = measure_alive(
        Generator(options.model, options.backend, options.device),
        [clip for some in sets.values() for clip in some],
        range(options.seed, options.seed + options.seeds),
        options.random_styles,
        options.tracks,
        lambda what: print(f'{what} ...', flush=True),
    )
    report.settings['sets'] = ', '.join(f'{name} ({len(clips)} clips)' for name, clips in sets.items())
    for path in write(report, options.out):
        print(f'wrote {path}')
    return 0


def _run_languages(options: argparse.Namespace) -> int:
    """Measure the lips by language and write the report."""
    from diffposetalk_ros.cli.checks import check_at_least, check_seed
    from diffposetalk_ros.evaluation.contenders import main_sampler, parse_sampler
    from diffposetalk_ros.evaluation.languages.measure import measure_languages
    from diffposetalk_ros.evaluation.languages.report import write_language_report
    from diffposetalk_ros.model.backend import SamplingConfig
    from diffposetalk_ros.offline.generator import Generator
    from diffposetalk_ros.util.output_file import check_output_folder

    check_seed(options)
    check_at_least(options, 1, 'limit')
    check_output_folder(options.out.parent)
    sampler = main_sampler((options.samplers or 'ddim:8').split(','))
    generator = Generator(options.model, options.backend, options.device)
    report = measure_languages(
        generator,
        parse_sampler(sampler, SamplingConfig()),
        options.languages,
        options.limit or 30,
        options.style,
        options.seed,
        lambda what: print(f'{what} ...', flush=True),
    )
    report.settings.update(model=_named(generator.model), sampler=sampler)
    for path in write_language_report(report, options.out):
        print(f'wrote {path}')
    return 0


def run(options: argparse.Namespace) -> int:
    """Evaluate and write the report."""
    default = (
        'alive_report' if options.alive else 'evaluation' if options.languages is None else 'languages_report'
    )
    options.out = options.out or Path(f'docs/{default}.md')
    if options.languages is not None:
        return _run_languages(options)
    if options.alive:
        return _run_alive(options)
    from dataclasses import replace

    from tqdm import tqdm

    from diffposetalk_ros.cli.checks import check_at_least, check_seed
    from diffposetalk_ros.evaluation.comparison import compare, diversity_of
    from diffposetalk_ros.evaluation.contenders import (
        DEFAULT_SAMPLERS,
        contenders,
        main_sampler,
        parse_sampler,
    )
    from diffposetalk_ros.evaluation.reference import reference_motion
    from diffposetalk_ros.evaluation.report import Evaluation, machine, write_report
    from diffposetalk_ros.evaluation.style_scores import style_scores
    from diffposetalk_ros.model.backend import SamplingConfig
    from diffposetalk_ros.motion.rig import load_rig
    from diffposetalk_ros.offline.generator import Generator
    from diffposetalk_ros.training.animator import named_style
    from diffposetalk_ros.util.output_file import check_output_folder

    if options.out.is_dir():
        raise ConfigError(f'{options.out} is a folder; name the report, for example docs/evaluation.md')
    check_output_folder(options.out.parent)
    check_seed(options)
    check_at_least(options, 1, 'limit', 'reference_clips', 'jobs')
    if options.styles < 2 and options.styles != 0:
        raise ConfigError(f'--styles {options.styles}; use 2 or more, or 0 for none')
    jobs = options.jobs or min(4, os.cpu_count() or 1)
    generators = [Generator(options.model, options.backend, options.device) for _ in range(jobs)]
    generator = generators[0]
    regressor = Generator(options.regressor, options.backend, options.device) if options.regressor else None
    names = ('scale_audio', 'scale_style', 'mouth_noise')
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    base = replace(SamplingConfig(), **given)
    samplers = options.samplers.split(',') if options.samplers else list(DEFAULT_SAMPLERS)
    listed = contenders(generators, samplers, base, options.style, regressor)
    look = named_style(options.style)
    sets, left_out = _load_sets(options)
    clips = [clip for some in sets.values() for clip in some]
    few = main_sampler(samplers)
    mouth = generator.config.mouth_noise if base.mouth_noise is None else base.mouth_noise
    guidance = (
        f'{base.guidance or generator.config.cfg_mode} guidance, scales speech {base.scale_audio:g}, '
        f'style {base.scale_style:g}; mouth noise {mouth:g}'
    )
    settings = {
        'model': _named(generator.model),
        'machine': machine(),
        'sampling': guidance,
        'style': options.style,
        'seed': str(options.seed),
    }
    for name, value in settings.items():
        print(f'{name}: {value}')
    rig = load_rig()
    slow_clips = options.reference_clips
    total = sum(min(len(s), slow_clips) if c.slow else len(s) for c in listed for s in sets.values())
    with tqdm(total=total, unit='clip', desc='generating') as bar:

        def advance() -> None:
            bar.update()

        def reference(clip: SpeechClip) -> NDArray[np.float32]:
            return reference_motion(clip, look, options.seed)

        scores = compare(listed, sets, reference, rig, options.seed, slow_clips, advance, jobs)
    spread = {c.name: diversity_of(c, clips[-3:], rig, options.seed) for c in listed if not c.slow}
    style = None
    if options.styles:
        style = style_scores(
            generator, clips, parse_sampler(few, base), options.styles, min(20, options.styles), options.seed
        )
    evaluation = Evaluation(scores, settings, few, samplers[0], style, spread, left_out)
    for path in write_report(evaluation, options.out):
        print(f'wrote {path}')
    return 0
