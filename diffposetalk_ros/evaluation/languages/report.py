# SPDX-License-Identifier: Apache-2.0
"""Tables of how well the lips follow each language."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from diffposetalk_ros.evaluation.languages.measure import ROUNDED, LanguageReport, LanguageScore
from diffposetalk_ros.training.corpus.languages import LANGUAGES

__all__ = ['write_language_report']

Table = Mapping[str, LanguageScore]
"""Scores by row name."""


def _number(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.2f}'


def _row(name: str, score: LanguageScore, language: str) -> str:
    c = score.closures
    parts = []
    for base in 'mpb':
        met, count = score.bilabials.get(base, (0, 0))
        parts.append(_number(met / count) if count else '-')
    worst = sorted(score.false.items(), key=lambda item: (-item[1], item[0]))[:3]
    false = (c.closures - c.right) / max(score.seconds / 60, 1e-9)
    cells = (
        name, language, f'{_number(c.recall)} ({_number(c.chance_recall)})',
        f'{_number(c.precision)} ({_number(c.chance_precision)})', ' / '.join(parts), f'{false:.0f}',
        ' '.join(f'{base} {count}' for base, count in worst) or '-', str(c.bilabials),
    )  # fmt: skip
    return '| ' + ' | '.join(cells) + ' |'


_HEAD = (
    '| voice | language | recall (chance) | precision (chance) | recall of m / p / b | false closures a minute | '
    'most often at | /p b m/ |',
    '|---|---|---:|---:|---|---:|---|---:|',
)


def _name(code: str) -> str:
    return 'English' if code == 'en' else LANGUAGES[code].name


def _rounding(tables: Sequence[Table]) -> Iterator[str]:
    """Rows of the mean and, in brackets, the number of vowels; the last row is the mean over all vowels y and ø."""
    yield '| language | ' + ' | '.join(ROUNDED) + ' | y : u | ø : o |'
    yield '|---|' + '---:|' * (len(ROUNDED) + 2)
    scores = {name: score for table in tables for name, score in table.items()}
    for name, score in scores.items():
        values = {v: score.rounded(v) for v in ROUNDED}
        if all(math.isnan(values[v]) for v in ('y', 'ø', 'ɯ')):
            continue
        counts = {v: round(score.rounding.get(v, (0, 0))[1]) for v in ROUNDED}
        cells = [f'{values[v]:.2f} ({counts[v]})' if counts[v] else '-' for v in ROUNDED]
        cells += [_number(values['y'] / values['u']), _number(values['ø'] / values['o'])]
        yield f'| {name} | ' + ' | '.join(cells) + ' |'
    ratios = _number(_mean_ratio(scores, 'y', 'u')), _number(_mean_ratio(scores, 'ø', 'o'))
    yield '| all |' + ' |' * len(ROUNDED) + f' {ratios[0]} | {ratios[1]} |'


def _mean_ratio(scores: Table, front: str, back: str) -> float:
    """How much of the rounding of the back vowel the front vowels of all languages have, each vowel counted once."""
    pairs = [
        (score.rounded(front) / score.rounded(back), score.rounding[front][1])
        for score in scores.values()
        if front in score.rounding and back in score.rounding
    ]
    return sum(ratio * count for ratio, count in pairs) / sum(n for _, n in pairs) if pairs else math.nan


def _lines(report: LanguageReport) -> Iterator[str]:
    yield '# Lips by language'
    yield ''
    yield 'Written by `diffposetalk evaluate --languages`. What the figures mean: [languages.md](languages.md).'
    yield ''
    for name, value in report.settings.items():
        yield f'- {name}: {value}'
    yield ''
    yield '## espeak-ng, variants that the tunings left out'
    yield ''
    yield from _HEAD
    for code, score in report.espeak.items():
        yield _row(code, score, _name(code))
    if report.recorded:
        yield ''
        yield '## Recorded voices that are never trained on'
        yield ''
        yield from _HEAD
        for name, score in report.recorded.items():
            yield _row(name, score, _name(name.split()[0]))
    yield ''
    yield '## espeak-ng by variant: recall / precision'
    yield ''
    names = list(next(iter(report.variants.values()), {}))
    yield '| language | ' + ' | '.join(names) + ' |'
    yield '|---|' + '---:|' * len(names)
    for code, found in report.variants.items():
        pairs = (f'{_number(s.closures.recall)} / {_number(s.closures.precision)}' for s in found.values())
        yield f'| {code} | ' + ' | '.join(pairs) + ' |'
    yield ''
    yield '## Rounding: mouthPucker + mouthFunnel in the middle of the vowel'
    yield ''
    yield from _rounding((report.espeak, report.recorded))
    if report.left_out:
        yield ''
        yield '## Left out'
        yield ''
        yield from (f'- {reason}' for reason in report.left_out)


def write_language_report(report: LanguageReport, out: Path) -> list[Path]:
    """Write Markdown to ``out`` and all counts as JSON beside it; return both paths."""
    data = {
        'settings': dict(report.settings),
        'espeak': {c: {v: asdict(s) for v, s in found.items()} for c, found in report.variants.items()},
        'recorded': {name: asdict(score) for name, score in report.recorded.items()},
        'left_out': list(report.left_out),
    }
    paths = [out, out.with_suffix('.json')]
    out.write_text('\n'.join(_lines(report)) + '\n', encoding='utf-8')
    paths[1].write_text(json.dumps(data, ensure_ascii=False, indent=1) + '\n', encoding='utf-8')
    return paths
