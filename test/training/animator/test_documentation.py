# SPDX-License-Identifier: Apache-2.0
"""docs/animator.md must state the values the code uses."""

from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.training.animator import ARPABET, BASES, NAMED_STYLES, STYLE_RANGES, StyleParameters
from diffposetalk_ros.training.animator.sounds import target

ROWS = [
    [cell.strip(' `') for cell in line.strip('|').split('|')]
    for line in (Path(__file__).parents[3] / 'docs' / 'animator.md').read_text(encoding='utf-8').splitlines()
    if line.startswith('|')
]
TABLE = {row[0]: row[1:] for row in ROWS}


@pytest.mark.parametrize('sound', BASES)
def test_table_of_sounds(sound):
    documented = [0.0 if cell == '·' else float(cell) for cell in TABLE[sound][1:]]
    np.testing.assert_allclose(documented, target(sound), atol=1e-6)
    names = [name for name, parts in ARPABET.items() if parts == (sound,)]
    assert TABLE[sound][0].split() == names


def test_style_table():
    neutral = StyleParameters().as_dict()
    for name, (low, high, unit) in STYLE_RANGES.items():
        assert TABLE[name][:3] == [unit, f'{low:g} .. {high:g}', f'{neutral[name]:g}']


def test_named_styles_are_all_there():
    assert set(NAMED_STYLES) <= set(TABLE)
    assert 'smile 0.55' in TABLE['smiling'][0]
