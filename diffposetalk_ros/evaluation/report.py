# SPDX-License-Identifier: Apache-2.0
"""The Markdown page and the plots of an evaluation."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from os import cpu_count
from pathlib import Path
from typing import Any

import numpy as np

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.evaluation.bars import Bar, bars
from diffposetalk_ros.evaluation.comparison import PART, Scores
from diffposetalk_ros.evaluation.lip_sync import ClosureConfig
from diffposetalk_ros.evaluation.metrics import DEFINITIONS
from diffposetalk_ros.evaluation.plots import plot_closures, plot_visemes
from diffposetalk_ros.evaluation.style_scores import StyleScores
from diffposetalk_ros.evaluation.viseme_correlation import VISEME_NAMES
from diffposetalk_ros.motion.rig import load_rig

__all__ = ['Evaluation', 'machine', 'markdown', 'numbers', 'write_report']

_PACKAGES = ('torch', 'onnxruntime', 'numpy', 'scipy', 'pocketsphinx')


_PREFACE = (
    'LVE, MOD, FDD, BA and jaw r compare the motion with that of the training animator, which knows the phones, '
    'and not with filmed faces. The row "animator, other draw" is the animator with another seed. It shows how '
    'much of a figure comes from head, blinks and gaze, which speech does not determine. Data, masks and '
    'definitions differ from those of papers, so do not compare these figures with theirs.'
)


@dataclass(frozen=True)
class Evaluation:
    """The contents of a report.

    ``scores``: set -> contender -> measures; ``settings``: name -> value; ``main``: the contender
    that the requirements apply to, ``many_steps`` the one it must agree with.
    """

    scores: dict[str, dict[str, Scores]]
    settings: dict[str, str]
    main: str
    many_steps: str | None = None
    style: StyleScores | None = None
    diversity: dict[str, float] = field(default_factory=dict)
    left_out: Sequence[str] = ()


def machine() -> str:
    """One line: processor, cores, Python and the versions of the packages that compute."""
    name = platform.processor() or platform.machine()
    info = Path('/proc/cpuinfo')
    if info.is_file():
        models = [row for row in info.read_text().splitlines() if row.startswith('model name')]
        name = models[0].split(':', 1)[1].strip() if models else name
    packages = []
    for package in _PACKAGES:
        try:
            packages.append(f'{package} {version(package)}')
        except PackageNotFoundError:
            continue
    return f'{name}, {cpu_count()} cores, Python {platform.python_version()}, {", ".join(packages)}'


def _number(value: float, digits: int = 2) -> str:
    return '-' if np.isnan(value) else f'{value:.{digits}f}'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ['---'] + ['---:'] * (len(head) - 1)
    return [f'| {" | ".join(row)} |' for row in (head, rule, *rows)] + ['']


def _main_table(scores: dict[str, Scores]) -> list[str]:
    head = (
        'motion', 'closure recall (chance)', 'precision (chance)', 'viseme r', 'jaw r', 'LVE: mean of max [mm]',
        'MOD: mean abs [mm]', 'FDD: signed [mm]', 'BA', 'seam', 'compute / audio',
    )  # fmt: skip
    rows = []
    for name, s in scores.items():
        c = s.closures
        rows.append((
            name, f'{_number(c.recall)} ({_number(c.chance_recall)})',
            f'{_number(c.precision)} ({_number(c.chance_precision)})', _number(float(s.visemes.mean())),
            _number(s.jaw), _number(s.lve), _number(s.mod), _number(s.fdd), _number(s.beats), _number(s.seam),
            _number(s.compute_s / max(s.audio_s, 1e-9), 3),
        ))  # fmt: skip
    return _table(head, rows)


def _viseme_table(scores: dict[str, Scores]) -> list[str]:
    rows = [(name, *(_number(float(r)) for r in s.visemes)) for name, s in scores.items()]
    return _table(('viseme r', *VISEME_NAMES), rows)


def _sweep_table(scores: dict[str, Scores]) -> list[str]:
    thresholds = list(next(iter(scores.values())).sweep)
    rows = [
        (name, *(f'{_number(s.sweep[t].recall)} / {_number(s.sweep[t].precision)}' for t in thresholds))
        for name, s in scores.items()
    ]
    return _table(('recall / precision at', *(f'{t:g} mm' for t in thresholds)), rows)


def _bar_table(required: Sequence[Bar]) -> list[str]:
    rows = []
    for bar in required:
        limit = f'>= {bar.at_least:.2f}' if bar.at_least is not None else f'<= {bar.at_most:.2f}'
        rows.append((bar.name, _number(bar.value, 3), limit, 'yes' if bar.met else 'no'))
    return _table(('measure', 'value', 'required', 'met'), rows)


def _definitions() -> list[str]:
    config = ClosureConfig()
    closures = {
        'closure recall': (
            f'share of /p b m/ (neighbours merged) with a lip closure within '
            f'{1000 * config.tolerance:.0f} ms of their middle; a closure is a lip opening below '
            f'{config.threshold:g} mm, separated from the next by a rise of {config.reopening:g} mm; phones of '
            'real speech come from pocketsphinx'
        ),
        'closure precision': (
            'share of closures during speech within the same distance of a /p b m/; closures that touch a pause '
            'of 0.18 s or more are not counted'
        ),
        'chance': f'the same score after circular shifts of the motion, mean of {config.shifts}',
        'viseme r': (
            'Pearson r over all frames of a set between eight articulator tracks computed from the phones '
            'and those read from the ARKit channels, mean of eight'
        ),
        'jaw r': 'Pearson r of jawOpen with the reference',
        'compute / audio': 'computing time per second of speech, for whole clips, one at a time (samplers of more '
        'than 50 steps: one on each core)',
        'style found': 'the style vector with the highest cosine similarity is the right one',
        'lost': '1 - value / value with many steps (LVE: value / value with many steps - 1), pooled over the clips '
        'that both samplers processed; below 0 is a gain',
    }
    rows = DEFINITIONS | closures
    rig = load_rig()
    masks = (len(rig.masks[name]) for name in ('lips', 'upper_face'))
    note = (
        "Vertices are those of this package's rig: {} of the lips, {} of the upper face. LVE, MOD, FDD and viseme "
        'r use the frames with reliable phones; all frames of a set have equal weight (FDD: clips, weighted by '
        'their frames).'
    ).format(*masks)
    return [f'- **{name}**: {text}.' for name, text in rows.items()] + ['', note, '']


def markdown(evaluation: Evaluation, plots: Sequence[str] = ()) -> str:
    """The page as text. ``plots`` are the paths of pictures, relative to the page."""
    lines = ['# Evaluation', '', 'Written by `diffposetalk evaluate`.', '']
    lines += [f'- {name}: {value}' for name, value in evaluation.settings.items()]
    lines += [
        '',
        _PREFACE,
        '',
    ]
    required = bars(evaluation.scores, evaluation.main, evaluation.many_steps, evaluation.style)
    lines += [f'## Required of {evaluation.main}', '', *_bar_table(required)]
    for name, scores in evaluation.scores.items():
        one = next(iter(scores.values()))
        lines += [
            f'## {name}: {one.clips} clips, {one.audio_s:.0f} s, {one.closures.bilabials} closures to find',
            '', *_main_table(scores),
        ]  # fmt: skip
        if not name.endswith(PART):
            lines += [*_viseme_table(scores), *_sweep_table(scores)]
    if evaluation.style:
        style = evaluation.style
        rows = [
            ('other half of the same unseen style', str(style.styles), f'{100 * style.encoder:.0f} %'),
            (
                'generated motion, encoded again',
                str(style.generated_styles),
                f'{100 * style.generated:.0f} %',
            ),
        ]
        lines += ['## Style', '', *_table(('style found', 'among', 'top-1'), rows)]
    if evaluation.diversity:
        lines += ['## Diversity', '', *_table(
            ('motion', 'mm'), [(name, _number(value)) for name, value in evaluation.diversity.items()]
        )]  # fmt: skip
    lines += [f'![{Path(plot).stem}]({plot})\n' for plot in plots]
    lines += ['## Definitions', '', *_definitions()]
    if evaluation.left_out:
        lines += ['## Recordings left out', '', *(f'- {reason}' for reason in evaluation.left_out), '']
    return '\n'.join(lines)


def numbers(evaluation: Evaluation) -> dict[str, Any]:
    """All measures as plain values, for programs: the JSON file beside the page."""
    out: dict[str, Any] = {'settings': evaluation.settings, 'main': evaluation.main, 'sets': {}}
    for name, table in evaluation.scores.items():
        out['sets'][name] = {}
        for contender, s in table.items():
            values = {k: v for k, v in vars(s).items() if k not in ('closures', 'sweep', 'visemes')}
            values['closures'] = {
                k: getattr(s.closures, k)
                for k in ('recall', 'precision', 'chance_recall', 'chance_precision')
            } | {'bilabials': s.closures.bilabials}
            values['visemes'] = dict(zip(VISEME_NAMES, s.visemes.tolist(), strict=True))
            out['sets'][name][contender] = values
    required = bars(evaluation.scores, evaluation.main, evaluation.many_steps, evaluation.style)
    out['required'] = [{'name': bar.name, 'value': bar.value, 'met': bar.met} for bar in required]
    out['style'] = vars(evaluation.style) if evaluation.style else None
    out['diversity'] = evaluation.diversity
    clean: dict[str, Any] = _without_nan(out)
    return clean


def _without_nan(value: Any) -> Any:
    """JSON has no NaN; use null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def write_report(evaluation: Evaluation, out: Path) -> list[Path]:
    """Write the page and, beside it, its plots and figures as JSON. Returns the files.

    Raises ConfigError if it cannot.
    """
    plots = [out.with_name(f'{out.stem}_{kind}.png') for kind in ('closures', 'visemes')]
    data = out.with_suffix('.json')
    whole = {name: table for name, table in evaluation.scores.items() if not name.endswith(PART)}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        plot_closures(whole, plots[0])
        plot_visemes(whole, plots[1])
        data.write_text(json.dumps(numbers(evaluation), indent=1) + '\n', encoding='utf-8')
        out.write_text(markdown(evaluation, [plot.name for plot in plots]), encoding='utf-8')
    except OSError as error:
        raise ConfigError(f'cannot write {out} ({error.strerror}); choose another --out') from error
    return [out, data, *plots]
