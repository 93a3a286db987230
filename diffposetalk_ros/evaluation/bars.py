# SPDX-License-Identifier: Apache-2.0
"""Requirements on a model, and whether it meets them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diffposetalk_ros.evaluation.comparison import Scores
from diffposetalk_ros.evaluation.lip_sync import ClosureScore
from diffposetalk_ros.evaluation.style_scores import StyleScores

__all__ = ['Bar', 'bars']

REAL_SETS = ('asterisk', 'librivox', 'clips')
SYNTHETIC_SETS = ('dev',)


@dataclass(frozen=True)
class Bar:
    """One requirement: the value must reach ``at_least``, or stay within ``at_most``."""

    name: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool:
        """Whether the value meets the requirement; NaN does not."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return self.at_most is not None and self.value <= self.at_most


def bars(
    scores: dict[str, dict[str, Scores]], main: str, reference: str | None, style: StyleScores | None
) -> list[Bar]:
    """Requirements on the contender ``main``.

    ``reference`` is the contender that few steps must agree with, on the clips both answered.
    """
    found = {name: table[main] for name, table in scores.items() if main in table}
    out = [*_real({name: found[name] for name in REAL_SETS if name in found})]
    for name in SYNTHETIC_SETS:
        if name in found:
            s = found[name]
            out += [
                Bar(f'closure recall, {name}', s.closures.recall, 0.90),
                Bar(f'closure precision, {name}', s.closures.precision, 0.75),
                Bar(f'jaw r, {name}', s.jaw, 0.90),
            ]
    if style is not None:
        out.append(Bar(f'style encoder, top-1 of {style.styles}', style.encoder, 0.90))
        out.append(Bar(f'generated style, top-1 of {style.generated_styles}', style.generated, 0.70))
    if reference is not None and reference != main:
        out += _agreement(scores, main, reference)
    return out


def _real(found: dict[str, Scores]) -> Iterator[Bar]:
    pooled = sum((s.closures for s in found.values()), ClosureScore())
    if len(found) > 1:
        yield Bar('closure recall, real speech', pooled.recall, 0.80)
        yield Bar('closure precision, real speech', pooled.precision, 0.60)
    for name, s in found.items():
        yield Bar(f'closure recall, {name}', s.closures.recall, 0.80)
        yield Bar(f'closure precision, {name}', s.closures.precision, 0.60)
    for name, s in found.items():
        yield Bar(f'viseme r, {name}', float(s.visemes.mean()), 0.78)


def _agreement(scores: dict[str, dict[str, Scores]], main: str, reference: str) -> Iterator[Bar]:
    """Relative loss of the few steps, pooled over the clips that both answered."""
    tables = [table for table in scores.values() if main in table and reference in table]
    if not tables:
        return
    few, many = ([table[name] for table in tables] for name in (main, reference))
    pooled = [sum((s.closures for s in some), ClosureScore()) for some in (few, many)]
    lve = [
        float(np.average([s.lve for s in some], weights=[s.audio_s for s in some])) for some in (few, many)
    ]
    losses = {
        'closure recall': 1 - pooled[0].recall / pooled[1].recall if pooled[1].met else float('nan'),
        'closure precision': 1 - pooled[0].precision / pooled[1].precision
        if pooled[1].right
        else float('nan'),
        'LVE': lve[0] / lve[1] - 1 if lve[1] else float('nan'),
    }
    for name, loss in losses.items():
        yield Bar(f'{name} lost by {main} against {reference}', loss, at_most=0.03)
