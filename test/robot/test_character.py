# SPDX-License-Identifier: Apache-2.0
"""Mirrors and characters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.layout import arkit_layout, flame_layout
from diffposetalk_ros.robot.character import load_character, mirror

LAYOUT = arkit_layout()


def test_a_mirror_twice_is_the_face_itself() -> None:
    rows = np.random.default_rng(0).normal(size=(7, LAYOUT.width))
    seen = mirror(rows, LAYOUT)
    np.testing.assert_array_equal(mirror(seen, LAYOUT), rows)
    for left, right in (
        ('eyeBlinkLeft', 'eyeBlinkRight'),
        ('jawLeft', 'jawRight'),
        ('mouthLeft', 'mouthRight'),
    ):
        np.testing.assert_array_equal(seen[:, LAYOUT.index(left)], rows[:, LAYOUT.index(right)])
    np.testing.assert_array_equal(seen[:, LAYOUT.index('jawOpen')], rows[:, LAYOUT.index('jawOpen')])
    np.testing.assert_array_equal(seen[:, LAYOUT.head_rotation], rows[:, LAYOUT.head_rotation] * [1, -1, -1])
    with pytest.raises(ConfigError, match='not flame'):
        mirror(np.zeros(54), flame_layout())


def test_a_character_scales_and_shifts_within_the_range(tmp_path: Path) -> None:
    path = tmp_path / 'shy.yaml'
    path.write_text(
        'format: 1\ncharacter: shy\nchannels:\n  jawOpen: {multiplier: 0.5}\n  browInnerUp: {offset: 0.3}\n'
    )
    character = load_character(path, LAYOUT)
    row = np.full(LAYOUT.width, 0.8)
    changed = character.apply(row)
    assert changed[LAYOUT.index('jawOpen')] == pytest.approx(0.4)
    assert changed[LAYOUT.index('browInnerUp')] == 1.0
    assert changed[LAYOUT.index('mouthPucker')] == 0.8


@pytest.mark.parametrize(
    ('line', 'words'),
    [
        ('  jawOpn: {offset: 0.1}', 'did you mean jawOpen'),
        ('  jawOpen: {gain: 0.1}', "unknown key 'gain'"),
        ('  jawOpen: {offset: much}', 'finite number'),
    ],
)
def test_mistakes_name_the_line(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / 'c.yaml'
    path.write_text(f'format: 1\ncharacter: c\nchannels:\n{line}\n')
    with pytest.raises(ConfigError, match=words) as caught:
        load_character(path, LAYOUT)
    assert f'{path}:4: ' in str(caught.value)
