# SPDX-License-Identifier: Apache-2.0
"""What the launch files declare, use and start agrees with the documents; needs no ROS."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
DOCUMENT = ROOT / 'docs' / 'ros.md'


def calls(path: Path, name: str) -> list[ast.Call]:
    tree = ast.parse(path.read_text())
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


def own_arguments(path: Path) -> list[str]:
    """Names declared with a literal or as shared; two_avatars makes its names in a loop over 1 and 2."""
    names = []
    for call in calls(path, 'declare'):
        names += [str(argument.value) for argument in call.args if isinstance(argument, ast.Constant)]
        names += [str(keyword.arg) for keyword in call.keywords]
    for call in calls(path, 'DeclareLaunchArgument'):
        first = call.args[0]
        if isinstance(first, ast.Constant):
            names.append(str(first.value))
        else:
            assert isinstance(first, ast.Name)
            names += [f'{first.id}_{number}' for number in (1, 2)]
    return names


def documented(path: Path) -> list[str]:
    """Names in the first column of the table below the heading that names the file."""
    part = DOCUMENT.read_text().split(f'### `{path.name}`')[1].split('\n#')[0]
    cells = re.findall(r'^\| (`\w+`(?:, `\w+`)*) \|', part, re.M)
    return [name for cell in cells for name in re.findall(r'\w+', cell)]


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_every_argument_has_description_and_default(path: Path) -> None:
    assert own_arguments(path)
    for call in calls(path, 'DeclareLaunchArgument'):
        keywords = {keyword.arg for keyword in call.keywords}
        assert {'description', 'default_value'} <= keywords, ast.unparse(call)


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_every_argument_used_is_declared(path: Path) -> None:
    declared = set(own_arguments(path)) | set(own_arguments(ROOT / 'launch' / 'avatar.launch.py'))
    used = {call.args[0] for call in calls(path, 'LaunchConfiguration')}
    names = {argument.value for argument in used if isinstance(argument, ast.Constant)}
    assert names <= declared


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_every_argument_is_documented(path: Path) -> None:
    assert sorted(documented(path)) == sorted(own_arguments(path))


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_what_is_started_and_opened_exists(path: Path) -> None:
    for call in calls(path, 'Node') + calls(path, 'LifecycleNode'):
        values = {k.arg: k.value for k in call.keywords}
        package, executable = values['package'], values['executable']
        assert isinstance(package, ast.Constant) and isinstance(executable, ast.Constant)
        if package.value != 'diffposetalk_ros':
            continue
        assert (ROOT / 'scripts' / str(executable.value)).is_file(), executable.value
    for call in calls(path, 'shared_file'):
        parts = [str(part.value) for part in call.args if isinstance(part, ast.Constant)]
        assert (ROOT / Path(*parts)).is_file(), parts
