# SPDX-License-Identifier: Apache-2.0
"""Workflow, commit hooks and documents name what exists."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

yaml = pytest.importorskip('yaml')

ROOT = Path(__file__).resolve().parents[1]


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def test_hooks_use_the_pinned_linter() -> None:
    pins = (ROOT / 'constraints.txt').read_text().splitlines()
    hooks = load('.pre-commit-config.yaml')['repos'][0]['hooks']
    for hook in hooks:
        assert set(hook.get('additional_dependencies', [])) <= set(pins)


@pytest.mark.parametrize('ros', ['jazzy', 'kilted'])
def test_locked_files_hold_the_pinned_versions(ros: str) -> None:
    """scripts/lock was run after the last change of the pins."""
    pins = (ROOT / 'constraints.txt').read_text() + (ROOT / 'constraints' / f'{ros}.txt').read_text()
    pinned = set(re.findall(r'^([\w.-]+==[\w.+]+)', pins, re.M))
    locked = (ROOT / 'constraints' / f'locked-{ros}.txt').read_text()
    packages = re.findall(r'^([\w.-]+==[\w.+]+)(.*)\n((?:    --hash=.*\n?)+)', locked, re.M)
    assert len(packages) == len(re.findall(r'^\w', locked, re.M)) > 100
    assert {name for name, _, _ in packages} <= pinned
    assert all('sha256:' in hashes for _, _, hashes in packages)


def test_actions_are_pinned_by_commit() -> None:
    for path in (ROOT / '.github' / 'workflows').iterdir():
        for used in re.findall(r'uses: (\S+)', path.read_text()):
            assert re.fullmatch(r'[\w/-]+@[0-9a-f]{40}', used), f'{path.name}: {used}'


def test_both_releases_of_the_wheels_are_tested() -> None:
    releases = load('.github/workflows/ci.yml')['jobs']['wheels']['strategy']['matrix']['ros']
    assert {path.stem for path in (ROOT / 'constraints').glob('[!l]*.txt')} == set(releases)


def test_workflow_covers_the_versions_that_are_promised() -> None:
    jobs = load('.github/workflows/ci.yml')['jobs']
    first, last = re.search(r'Python 3\.(\d+) to 3\.(\d+)', (ROOT / 'README.md').read_text()).groups()  # type: ignore[union-attr]
    promised = [f'3.{minor}' for minor in range(int(first), int(last) + 1)]
    # There are no wheels of ROS for 3.14, and the core needs none.
    assert jobs['core']['strategy']['matrix']['python'] == [*promised, '3.14']


WORKFLOWS = sorted(path.name for path in (ROOT / '.github' / 'workflows').iterdir())


@pytest.mark.parametrize('name', WORKFLOWS)
def test_a_workflow_runs_what_exists(name: str) -> None:
    for job in load(f'.github/workflows/{name}')['jobs'].values():
        for step in job['steps']:
            words = re.findall(r'^\s*(?:\./|python )(\S+\.py|\w+)', step.get('run', ''), re.M)
            for word in words:
                assert word == '-m' or (ROOT / word).is_file(), word
            for extras in re.findall(r"'?\.\[([\w,-]+)\]", step.get('run', '')):
                known = set(re.findall(r"^    '([\w-]+)': ", (ROOT / 'setup.py').read_text(), re.M))
                assert set(extras.split(',')) <= known


def test_the_release_notes_are_those_of_the_version() -> None:
    version = ElementTree.parse(ROOT / 'package.xml').getroot().findtext('version')
    program = [sys.executable, str(ROOT / 'scripts' / 'release_notes.py')]
    told = subprocess.run([*program, str(version)], capture_output=True, text=True, check=True).stdout
    assert told.startswith('* ') and told.strip() in (ROOT / 'CHANGELOG.rst').read_text()
    wrong = subprocess.run([*program, '99.0.0'], capture_output=True, text=True, check=False)
    assert wrong.returncode == 1 and 'the release is 99.0.0' in wrong.stderr


def test_the_citation_is_complete() -> None:
    citation = load('CITATION.cff')
    assert citation['license'] == 'Apache-2.0' and citation['references'][0]['doi'] == '10.1145/3658221'


def test_issue_forms_ask_for_something() -> None:
    forms = [path for path in (ROOT / '.github' / 'ISSUE_TEMPLATE').iterdir() if path.name != 'config.yml']
    assert len(forms) >= 2
    for path in forms:
        form = load(str(path.relative_to(ROOT)))
        assert {'name', 'description', 'body'} <= set(form)
        assert any(part.get('validations', {}).get('required') for part in form['body']), path.name


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ('linux', 'x86_64'), reason='builds no messages here'
)
@pytest.mark.parametrize('name', ['für', 'a:b', 'a;b'])
def test_setup_says_where_the_messages_cannot_be_built(tmp_path: Path, name: str) -> None:
    clone = tmp_path / name
    for folder in ('scripts', 'interfaces'):
        shutil.copytree(ROOT / folder, clone / folder)
    done = subprocess.run(
        [clone / 'scripts' / 'setup'], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1 and done.stderr.count('\n') == 1
    assert str(clone) in done.stderr and 'move the clone' in done.stderr
    assert not (clone / '.venv').exists()


def test_every_node_has_an_executable_that_is_documented() -> None:
    scripts = {
        path.name: path.read_text()
        for path in (ROOT / 'scripts').iterdir()
        if path.read_text().startswith('#!/usr/bin/env python3')
    }
    started = {
        found for text in scripts.values() for found in re.findall(r'^from ([\w.]+) import main', text, re.M)
    }
    nodes = [
        path
        for path in (ROOT / 'diffposetalk_ros' / 'ros').glob('*.py')
        if re.search(r'^def main\(args: Sequence\[str\] \| None = None\)', path.read_text(), re.M)
    ]
    missing = [
        path.name for path in nodes if '.'.join(path.relative_to(ROOT).with_suffix('').parts) not in started
    ]
    assert not missing, 'a node without a file in scripts/'
    table = (ROOT / 'docs' / 'ros.md').read_text().split('## Executables')[1].split('\n## ')[0]
    undocumented = set(scripts) - set(re.findall(r'^\| `(\w+)` \|', table, re.M))
    assert not undocumented, 'an executable that docs/ros.md does not list'
