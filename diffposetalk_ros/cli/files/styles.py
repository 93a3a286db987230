# SPDX-License-Identifier: Apache-2.0
"""List the speaking styles of a model, or describe one.

diffposetalk styles
diffposetalk styles --describe me.npy --plot me.png
diffposetalk styles --describe 'lively*1.3'           (further from neutral than lively)
diffposetalk styles --describe 'me.npy*0.5+smiling*0.5'

`diffposetalk generate --style` takes the same expressions.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diffposetalk_ros.errors import StyleError

if TYPE_CHECKING:
    from diffposetalk_ros.model.loader import LoadedModel
    from diffposetalk_ros.nonverbal.traits import Traits

__all__ = ['add_arguments', 'run']

_NEAREST = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk styles`."""
    parser.add_argument('--model', default='embedded', help='model folder, or the name of a bundled model')
    parser.add_argument('--describe', metavar='STYLE', help='print the traits of a name, a file or a blend')
    parser.add_argument(
        '--plot', type=Path, metavar='PNG', help='also draw these traits, beside those of neutral'
    )


def run(options: argparse.Namespace) -> int:
    """Print one name a line, or the traits of one style."""
    from diffposetalk_ros.model.loader import named_styles
    from diffposetalk_ros.util.resources import find_model

    if options.describe is not None:
        return _describe(options)
    if options.plot is not None:
        raise StyleError('--plot draws the style of --describe; name one')
    names = sorted(named_styles(find_model(options.model)))
    for name in names:
        print(name)
    if not names:
        print(
            f'{options.model} ships no named styles; make one: diffposetalk extract-style MOTION',
            file=sys.stderr,
        )
    return 0


def _describe(options: argparse.Namespace) -> int:
    from diffposetalk_ros.model.loader import NEUTRAL, open_model
    from diffposetalk_ros.nonverbal.traits import TRAIT_RANGES
    from diffposetalk_ros.util.output_file import check_output

    if options.plot is not None:
        check_output(options.plot, ('.png',))
    model = open_model(options.model)
    style = model.style(options.describe)
    traits, rest = model.style_parts(style)[1], model.style_parts(model.style(NEUTRAL))[1]
    if traits is None or rest is None:
        raise StyleError(f'{options.model} knows no traits; only models with a nonverbal network do')
    nearest = _nearest(model, options.describe, traits)
    print(f'{"trait":22} {"style":>8} {"neutral":>8}  unit    nearest: {", ".join(nearest)}')
    for name, (_, _, unit) in TRAIT_RANGES.items():
        print(f'{name:22} {_shown(traits[name], unit):>8} {_shown(rest[name], unit):>8}  {_unit(unit)}')
    if options.plot is not None:
        _plot(options.plot, options.describe, traits, rest)
        print(f'wrote {options.plot}')
    return 0


def _nearest(model: LoadedModel, wanted: str, traits: Traits) -> list[str]:
    """Named styles whose traits are nearest, each trait measured by its range."""
    from diffposetalk_ros.nonverbal.traits import TRAIT_RANGES

    spans = np.array([high - low for low, high, _ in TRAIT_RANGES.values()])
    distance = {}
    for name, vector in model.styles.items():
        other = model.style_parts(vector)[1]
        if other is not None and name != wanted:
            distance[name] = float(np.linalg.norm((other.vector - traits.vector) / spans))
    return sorted(distance, key=lambda name: distance[name])[:_NEAREST]


def _shown(value: float, unit: str) -> str:
    return f'{np.degrees(value):.1f}' if unit == 'rad' else f'{value:.2f}'


def _unit(unit: str) -> str:
    return {'rad': 'deg', '1': ''}.get(unit, unit)


def _plot(path: Path, name: str, traits: Traits, rest: Traits) -> None:
    """Bars of every trait within its range, beside those of neutral."""
    import io
    from importlib import import_module

    from diffposetalk_ros.nonverbal.traits import TRAIT_RANGES
    from diffposetalk_ros.util.output_file import write_atomically

    low, high = (np.array([span[i] for span in TRAIT_RANGES.values()]) for i in (0, 1))
    place = np.arange(len(low))
    figure = import_module('matplotlib.figure').Figure((9, 0.24 * len(low) + 1), layout='constrained')
    axis = figure.subplots()
    for values, colour, label, shift in ((traits, '#0072b2', name, -0.2), (rest, '#bbbbbb', 'neutral', 0.2)):
        axis.barh(place + shift, (values.vector - low) / (high - low), 0.4, color=colour, label=label)
    axis.set_yticks(place, list(TRAIT_RANGES), fontsize=8)
    axis.invert_yaxis()
    axis.set(xlim=(0, 1), xlabel='share of the range of the trait')
    axis.legend()
    stream = io.BytesIO()
    figure.savefig(stream, format='png', dpi=110)
    write_atomically(path, stream.getvalue())
