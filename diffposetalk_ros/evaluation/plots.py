# SPDX-License-Identifier: Apache-2.0
"""Pictures of an evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from diffposetalk_ros.evaluation.comparison import Scores
from diffposetalk_ros.evaluation.viseme_correlation import VISEME_NAMES

__all__ = ['plot_closures', 'plot_visemes']


def plot_closures(scores: dict[str, dict[str, Scores]], path: Path) -> None:
    """Bars of recall and precision with their chance levels, one panel a set, as PNG."""
    figure = Figure(figsize=(4.2 * len(scores) + 1.5, 4.2), layout='constrained')
    axes = np.atleast_1d(np.asarray(figure.subplots(1, len(scores), sharey=True)))
    for axis, (name, contenders) in zip(axes, scores.items(), strict=True):
        place = np.arange(len(contenders))
        for offset, kind, colour in ((-0.2, 'recall', '#2b6ca3'), (0.2, 'precision', '#c8772c')):
            values = [getattr(s.closures, kind) for s in contenders.values()]
            chance = [getattr(s.closures, f'chance_{kind}') for s in contenders.values()]
            axis.barh(place + offset, np.nan_to_num(values), 0.36, color=colour, label=kind)
            axis.plot(
                np.nan_to_num(chance), place + offset, '|', color='black', markersize=9,
                label='chance' if offset > 0 else None,
            )  # fmt: skip
        axis.set(title=name, xlim=(0, 1), xlabel='share')
        axis.set_yticks(place, list(contenders))
        axis.invert_yaxis()
    axes[-1].legend(loc='lower right', fontsize=8)
    figure.suptitle('Lip closures against /p b m/')
    figure.savefig(path, dpi=110)


def plot_visemes(scores: dict[str, dict[str, Scores]], path: Path) -> None:
    """Correlation of each viseme dimension by contender, one panel a set, as PNG."""
    figure = Figure(figsize=(9, 2.6 * len(scores) + 0.6), layout='constrained')
    axes = np.atleast_1d(np.asarray(figure.subplots(len(scores), 1, sharex=True)))
    for axis, (name, contenders) in zip(axes, scores.items(), strict=True):
        for contender, s in contenders.items():
            axis.plot(VISEME_NAMES, s.visemes, 'o-', markersize=4, linewidth=1, label=contender)
        axis.set(ylabel='r', title=name, ylim=(-0.1, 1.02))
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=7, ncol=2, loc='lower left')
    figure.savefig(path, dpi=110)
