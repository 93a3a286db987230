# SPDX-License-Identifier: Apache-2.0
"""The documents link to what exists, and their code and figures are those of the package."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import diffposetalk_ros as dpt

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    path
    for pattern in ('*.md', 'docs/**/*.md', 'models/*/*.md', 'interfaces/*.md', '.github/**/*.md')
    for path in ROOT.glob(pattern)
    if '.venv' not in path.parts
)


def _prose(path: Path) -> str:
    """A document without its blocks of code."""
    return re.sub(r'^```.*?^```', '', path.read_text(), flags=re.S | re.M)


def _anchors(path: Path) -> set[str]:
    """Anchors of the headings, as GitHub forms them."""
    found = set()
    for heading in re.findall(r'^#+ (.+)$', _prose(path), re.M):
        plain = re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', heading)
        found.add(re.sub(r'[^\w\- ]', '', plain.lower()).replace(' ', '-'))
    return found


@pytest.mark.parametrize('path', DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for target in re.findall(r'\]\(([^)\s]+)\)', _prose(path)):
        if re.match(r'[a-z]+:', target):
            continue
        name, _, anchor = target.partition('#')
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)
    assert not broken


def test_the_names_of_the_library_are_right_in_documents_and_examples() -> None:
    texts = [path.read_text() for path in (*DOCUMENTS, *(ROOT / 'examples').glob('*.py'))]
    used = {name for text in texts for name in re.findall(r'\bdpt\.(\w+)', text)}
    assert len(used) > 10 and used <= set(dpt.__all__)


def test_the_readme_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import soundfile

    program = re.search(r'```python\n(.*?)```', (ROOT / 'README.md').read_text(), re.S)
    assert program is not None
    samples, rate = soundfile.read(dpt.demo_clip())
    soundfile.write(tmp_path / 'speech.wav', samples[: 2 * rate], rate)
    monkeypatch.chdir(tmp_path)
    names = {'microphone_samples': np.zeros(48000, np.float32)}
    exec(program[1], names)
    assert names['frames'].shape[1] == 55
    assert len(dpt.load_motion(tmp_path / 'motion.csv').values) == 50


def test_figures_of_the_readme_stand_in_the_documents_it_names() -> None:
    section = (ROOT / 'README.md').read_text().split('## Benchmarks')[1].split('\n## ')[0]
    rows = [line for line in section.splitlines() if line.startswith('| ') and '](' in line]
    assert len(rows) >= 4
    for row in rows:
        document = re.search(r'\]\(([^)#]+)', row)
        assert document is not None, row
        text = (ROOT / document[1]).read_text()
        missing = [
            figure for figure in re.findall(r'\d+\.\d+|\d{2,}', row.split('](')[0]) if figure not in text
        ]
        assert not missing, f'{document[1]} does not hold {missing}; update the README from it'


def test_every_document_can_be_found_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / 'README.md']
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        targets = re.findall(r'\]\(([^)\s#:]+\.md)', _prose(path))
        found = [(path.parent / target).resolve() for target in targets]
        waiting += [target for target in found if target.is_file()]
    lost = {path for path in ROOT.glob('docs/**/*.md') if path.resolve() not in reached}
    assert not lost


@pytest.mark.parametrize('path', DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_tests_named_in_a_document_exist(path: Path) -> None:
    text = path.read_text()
    files = set(re.findall(r'`((?:[\w.]+/)+\w+\.(?:py|yaml|md))`', text))
    places = (ROOT, ROOT / 'diffposetalk_ros', path.parent)
    missing = {name for name in files if not any((place / name).exists() for place in places)}
    sources = {file.name: file.read_text() for file in (ROOT / 'test').rglob('test_*.py')}
    missing |= {name for name in re.findall(r'\btest_\w+\.py\b', text) if name not in sources}
    tests = re.findall(r'`(test_\w+)`', text)
    missing |= {name for name in tests if not any(f'def {name}(' in source for source in sources.values())}
    assert not missing


def test_the_walk_of_a_message_names_what_exists() -> None:
    drawing = (ROOT / 'docs' / 'architecture.md').read_text().split('```')[1]
    source = '\n'.join(path.read_text() for path in (ROOT / 'diffposetalk_ros').rglob('*.py'))
    calls = re.findall(r'^[^[\n]{22}([A-Za-z]\w+)(?:\.(\w+))?', drawing, re.M)
    assert 10 <= len(calls) <= 15
    for owner, method in calls:
        body = re.search(rf'^class {owner}\b.*?(?=^\S|\Z)', source, re.M | re.S)
        if method:
            assert body is not None and f'def {method}(' in body[0], f'{owner}.{method}'
        else:
            assert f'def {owner}(' in source, owner


def test_the_architecture_lists_every_room() -> None:
    package = ROOT / 'diffposetalk_ros'
    rooms = {path.name for path in package.iterdir() if (path / '__init__.py').is_file()}
    table = (ROOT / 'docs' / 'architecture.md').read_text().split('## Rooms')[1].split('\n## ')[0]
    assert rooms <= set(re.findall(r'`(\w+)/', table))
