# SPDX-License-Identifier: Apache-2.0
"""List the speaking styles a model ships with; give one to `diffposetalk generate --style`."""

from __future__ import annotations

import argparse
import sys

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk styles`."""
    parser.add_argument('--model', default='embedded', help='folder, or the name of a model that ships')


def run(options: argparse.Namespace) -> int:
    """Print one name a line."""
    from diffposetalk_ros.model.loader import named_styles
    from diffposetalk_ros.util.resources import find_model

    names = sorted(named_styles(find_model(options.model)))
    for name in names:
        print(name)
    if not names:
        print(
            f'{options.model} ships no named styles; make one: diffposetalk extract-style MOTION',
            file=sys.stderr,
        )
    return 0
