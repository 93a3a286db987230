# SPDX-License-Identifier: Apache-2.0
from dataclasses import fields

import numpy as np
import pytest

from diffposetalk_ros.errors import StyleError
from diffposetalk_ros.training.animator.style import (
    NAMED_STYLES,
    STYLE_RANGES,
    StyleParameters,
    named_style,
    sample_style,
)


def test_every_parameter_has_a_range_and_a_unit():
    assert [field.name for field in fields(StyleParameters)] == list(STYLE_RANGES)
    assert {unit for _, _, unit in STYLE_RANGES.values()} == {'1', 'Hz', 'rad', 's', '1/s', '1/min'}


def test_there_are_enough_named_styles():
    assert 'neutral' in NAMED_STYLES
    assert len(NAMED_STYLES) >= 13


def test_a_value_outside_its_range_is_named():
    with pytest.raises(StyleError, match='smile=2'):
        StyleParameters(smile=2.0)


def test_an_unknown_style_lists_the_known():
    with pytest.raises(StyleError, match='neutral'):
        named_style('grumpy')


def test_sampling_is_seeded_valid_and_varied():
    drawn = [sample_style(np.random.default_rng(seed)) for seed in range(300)]
    assert drawn[5] == sample_style(np.random.default_rng(5))
    values = np.array([list(style.as_dict().values()) for style in drawn])
    low, high = np.array([bounds[:2] for bounds in STYLE_RANGES.values()]).T
    assert (values.std(axis=0) > 0.08 * (high - low)).all()
