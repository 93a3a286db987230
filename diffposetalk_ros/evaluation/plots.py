# SPDX-License-Identifier: Apache-2.0
"""Pictures of an evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from diffposetalk_ros.evaluation.comparison import Scores
from diffposetalk_ros.evaluation.viseme_correlation import VISEME_NAMES

__all__ = ['plot_closures', 'plot_visemes']

Tables = dict[str, dict[str, Scores]]


def _contenders(scores: Tables) -> list[str]:
    """Names of all contenders, each once, in order of appearance."""
    return list(dict.fromkeys(name for table in scores.values() for name in table))


def plot_closures(scores: Tables, path: Path) -> None:
    """Bars of recall and precision with their chance levels, one panel a set, as PNG."""
    names = _contenders(scores)
    figure = Figure(figsize=(3.4 * len(scores) + 2.2, 0.5 * len(names) + 1.6), layout='constrained')
    axes = np.atleast_1d(np.asarray(figure.subplots(1, len(scores), sharey=True)))
    for axis, (title, table) in zip(axes, scores.items(), strict=True):
        place = np.array([names.index(name) for name in table])
        for offset, kind, colour in ((-0.19, 'recall', '#2b6ca3'), (0.19, 'precision', '#c8772c')):
            values = [getattr(s.closures, kind) for s in table.values()]
            chance = [getattr(s.closures, f'chance_{kind}') for s in table.values()]
            axis.barh(place + offset, np.nan_to_num(values), 0.34, color=colour, label=kind)
            axis.plot(chance, place + offset, '|', color='black', markersize=9)
        axis.plot([], [], '|', color='black', markersize=9, label='chance')
        axis.set(title=title, xlim=(0, 1), xlabel='share')
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside lower center', ncols=3)
    figure.suptitle('Lip closures against /p b m/')
    figure.savefig(path, dpi=110)


def plot_visemes(scores: Tables, path: Path) -> None:
    """Correlation of each viseme dimension by contender, one panel a set, as PNG."""
    names = _contenders(scores)
    figure = Figure(figsize=(9, 2.6 * len(scores) + 1.0), layout='constrained')
    axes = np.atleast_1d(np.asarray(figure.subplots(len(scores), 1, sharex=True)))
    for axis, (title, table) in zip(axes, scores.items(), strict=True):
        for name, s in table.items():
            colour = f'C{names.index(name) % 10}'
            axis.plot(VISEME_NAMES, s.visemes, 'o-', color=colour, markersize=4, linewidth=1, label=name)
        axis.set(ylabel='r', title=title)
        axis.grid(alpha=0.3)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside lower center', ncols=3, fontsize=8)
    figure.suptitle('Correlation with the visemes of the phones')
    figure.savefig(path, dpi=110)
