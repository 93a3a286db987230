# SPDX-License-Identifier: Apache-2.0
"""Maps as files: the example reads, comes back from its text, and every mistake names its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.robot.joint_map_file import dump_joint_map, load_joint_map

EXAMPLE = Path(__file__).parents[2] / 'config' / 'joint_map.yaml'

GOOD = """\
format: 1
robot: test
space: arkit
neck: {joints: [pan], axes: [z]}
joints:
  pan: {unit: rad, limits: [-1, 1], speed: 1, acceleration: 10, jerk: 100}
  jaw:
    unit: rad
    limits: [0, 0.4]
    speed: 5
    acceleration: 100
    jerk: 5000
    sources:
      - {channel: jawOpen, gain: 0.4}
  cable:
    unit: m
    limits: [-0.1, 0.1]
    speed: 5
    acceleration: 100
    jerk: 5000
    follows: {joint: jaw, gain: -0.1}
clearances:
  - {name: chin, terms: {jaw: 1, pan: 1}, below: 0.8}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / 'map.yaml'
    path.write_text(text)
    return path


def test_example_comes_back_from_its_own_text(tmp_path: Path) -> None:
    example = load_joint_map(EXAMPLE)
    again = load_joint_map(written(tmp_path, dump_joint_map(example)))
    assert again.joints == example.joints
    assert again.neck == example.neck
    assert again.clearances == example.clearances


@pytest.mark.parametrize(
    ('old', 'new', 'line', 'words'),
    [
        ('channel: jawOpen', 'channel: jawOpn', 14, ("'jawOpn'", 'jawOpen')),
        ('joint: jaw,', 'joint: jam,', 21, ("'jam'", 'jaw')),
        ('terms: {jaw: 1', 'terms: {chin: 1', 23, ("'chin'", 'pan, jaw, cable')),
        ('joints: [pan]', 'joints: [pam]', 4, ("'pam'", 'pan')),
        ('axes: [z]', 'axes: [w]', 4, ("'w'",)),
        ('axes: [z]', 'axes: [z, x]', 4, ('1 neck joints and 2 axes',)),
        ('    limits: [0, 0.4]', '    limits: [0.4, 0]', 9, ('limits of jaw', '[lowest, highest]')),
        ('    unit: rad\n', '', 7, ('jaw lacks unit', "'rad' or 'm'")),
        ('    unit: rad', '    unit: deg', 8, ("'deg'", "'rad'")),
        ('0.4]\n    speed: 5', '0.4]\n    speed: 0', 10, ('1e-06 to',)),
        ('0.4]\n    speed: 5', '0.4]\n    speed: .nan', 10, ('finite',)),
        ('    sources:\n', '    gain: 3\n    sources:\n', 13, ("unknown key 'gain'",)),
        ('gain: 0.4}', 'points: [[0, 0], [0, 1]]}', 14, ('must rise',)),
        ('gain: 0.4}', 'gain: 0.4, points: [[0, 0], [1, 1]]}', 14, ('either gain or points',)),
        ('follows: {joint: jaw,', 'follows: {joint: cable,', 15, ('cycle: cable follows cable',)),
        ('below: 0.8', 'below: 0', 23, ('at rest the sum is 0',)),
        ('    limits: [-0.1, 0.1]', '    limits: [0.05, 0.1]', 7, ('jaw and the joints that follow it',)),
        ('space: arkit', 'space: disney', 3, ("'disney'", "'flame'")),
        ('format: 1', 'format: 2', 1, ('format must be 1',)),
        ('  jaw:\n', '  jaw: [\n', 9, ()),
        ('  pan: {unit', '  jaw: {unit', 7, ('jaw occurs twice',)),
        ('neck: {joints: [pan], axes: [z]}\n', '', 5, ('neither sources nor follows',)),
        ('gain: 0.4}', 'gain: .inf}', 14, ('finite',)),
        ('gain: 0.4}', 'gain: 1e300}', 14, ('-10000 to 10000',)),
        ('gain: 0.4}', f'gain: 1{400 * "0"}}}', 14, ('finite',)),
        ('gain: 0.4}', 'gain: yes}', 14, ('True', 'number')),
        ('    limits: [0, 0.4]', '    limits: [0, .nan]', 9, ('item 2 of limits is nan',)),
        ('    limits: [0, 0.4]', '    limits: 0.4', 9, ('list',)),
        ('gain: 0.4}\n', 'gain: 0.4}\n      - {channel: jawOpen, gain: 1}\n', 15, ('a source already',)),
        ('joints: [pan], axes: [z]', 'joints: [pan, pan], axes: [z, y]', 4, ('only once',)),
        ('robot: test', 'robot: !!python/name:os.system', 2, ('cannot be read',)),
        ('robot: test', 'robot: 2026-99-99', 2, ('cannot be read',)),
        ('below: 0.8', 'below: ' + '9' * 5000, 23, ()),
        ('    speed: 5\n', '    speed: 5\n    delay: 80\n', 11, ('delay is 80; use 0 to 1',)),
        ('    speed: 5\n', '    speed: 5\n    speed: 6\n', 11, ('speed occurs twice',)),
    ],
)  # fmt: skip
def test_mistakes_name_file_line_and_valid_names(
    tmp_path: Path, old: str, new: str, line: int, words: tuple[str, ...]
) -> None:
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_joint_map(path)
    text = str(caught.value)
    assert text.startswith(f'{path}:{line}: '), text
    assert '\n' not in text
    for word in words:
        assert word in text


def test_cycle_over_three_joints_is_named(tmp_path: Path) -> None:
    caps = 'unit: rad, limits: [-1, 1], speed: 1, acceleration: 1, jerk: 1'
    follower = f'  {{}}: {{{{{caps}, follows: {{{{joint: {{}}, gain: 1}}}}}}}}\n'
    text = GOOD.replace('  pan:', follower.format('a', 'b') + follower.format('b', 'a') + '  pan:', 1)
    with pytest.raises(ConfigError, match='cycle: a follows b follows a'):
        load_joint_map(written(tmp_path, text))


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('', 'must be a mapping'),
        ('- jaw\n', 'must be a mapping'),
        ('format: 1\n\trobot: r\n', 'cannot start any token'),
        ('format: 1\nrobot: r\nspace: arkit\njoints:\n', 'joints must be a mapping'),
        ('format: 1\nrobot: r\nspace: arkit\njoints: &a\n  jaw: *a\n', 'too deep'),
        ('a: ' + '[' * 600, 'too deep'),
        (
            'a: &a [x, x, x, x, x, x]\n'
            + ''.join(f'{b}: &{b} [{", ".join([f"*{a}"] * 9)}]\n' for a, b in ('ab', 'bc', 'cd', 'de', 'ef')),
            'too large',
        ),
    ],
)
def test_files_that_are_no_maps_are_refused(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=words) as caught:
        load_joint_map(path)
    assert str(caught.value).startswith(f'{path}:') and '\n' not in str(caught.value)


def test_numbers_with_an_exponent_are_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace('gain: 0.4}', 'gain: 4e-1}'))
    assert load_joint_map(path).joints[1].sources[0].gain == 0.4


def test_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='cannot read'):
        load_joint_map(tmp_path / 'nowhere.yaml')


def test_calibration_corrects_single_joints(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    calibration = tmp_path / 'mine.yaml'
    calibration.write_text(
        'format: 1\nrobot: test\njoints:\n  jaw: {scale: -0.5, limits: [-0.3, 0.3], offset: 0.1, delay: 0.07}\n'
    )
    mine = load_joint_map(path, calibration)
    row = np.zeros(mine.layout.width)
    row[mine.layout.index('jawOpen')] = 1.0
    np.testing.assert_allclose(mine.evaluate(row)[1], 0.1 - 0.2)
    assert mine.delay.tolist() == [0.0, 0.07]
    assert mine.rest[1] == 0.1
    calibration.write_text('format: 1\nrobot: test\njoints:\n  jaww: {scale: 1}\n')
    with pytest.raises(ConfigError, match=rf"{calibration}:4: no joint 'jaww'; did you mean jaw"):
        load_joint_map(path, calibration)
