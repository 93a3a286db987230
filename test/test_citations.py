# SPDX-License-Identifier: Apache-2.0
"""Every section and step that the code cites exists in the documents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_CITATION = re.compile(
    r'docs/(method|architecture)\.md'
    r'(?:,\s(?P<first>\d+(?:\.\d+)?(?: steps? \d+)?)(?P<more>(?:(?:, | and | to )\d+(?:\.\d+)?)*))?'
)


def sections(text: str) -> dict[str, str]:
    """Number of each section of docs/method.md -> its text, up to the next heading."""
    parts = re.split(r'^#+ (\d+(?:\.\d+)?) .*$', text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def unresolved(text: str, method: dict[str, str]) -> list[str]:
    """Citations in ``text`` whose section or step does not exist."""
    text = re.sub(r'\s*\n\s*(?:# )?', ' ', text)
    bad = []
    for found in _CITATION.finditer(text):
        if found['first'] is None:
            if not (ROOT / 'docs' / f'{found[1]}.md').is_file() or found[1] == 'method':
                bad.append(found[0])
            continue
        number, _, step = found['first'].partition(' step')
        last = step.strip('s ')
        more = re.findall(r'\d+(?:\.\d+)?', found['more'])
        steps = [last, *more] if last else []
        for name in [number] if last else [number, *more]:
            if name not in method:
                bad.append(f'{found[0]}: no section {name}')
        for item in steps:
            if not re.search(rf'^{item}\. ', method.get(number, ''), re.M):
                bad.append(f'{found[0]}: no step {item}')
    return bad


FILES = sorted(
    path
    for folder in ('diffposetalk_ros', 'test')
    for path in (ROOT / folder).rglob('*.py')
    if path.name != Path(__file__).name and 'docs/' in path.read_text(encoding='utf-8')
)


def test_every_citation_resolves() -> None:
    method = sections((ROOT / 'docs' / 'method.md').read_text(encoding='utf-8'))
    assert {'1.2', '3', '5.2', '9.5'} <= set(method)
    bad = {
        str(path.relative_to(ROOT)): problems
        for path in FILES
        if (problems := unresolved(path.read_text(encoding='utf-8'), method))
    }
    assert not bad


def test_no_document_outside_the_repository_is_cited() -> None:
    for path in FILES:
        assert not re.search(r'\b(SPEC|DESIGN) \d', path.read_text(encoding='utf-8')), path


@pytest.mark.parametrize(
    ('text', 'count'),
    [
        ('(docs/method.md, 5.2 step 8)', 0), ('docs/method.md, 6 steps 1 to 3', 0), ('docs/method.md, 3 and 5', 0),
        ('docs/method.md, 1.3, 8.2, 8.3', 0), ('docs/method.md,\n    5.1', 0), ('docs/method.md, 5.9', 1),
        ('docs/method.md, 5.2 step 77', 1), ('docs/method.md, 1.3, 8.8', 1), ('docs/method.md', 1),
    ],
)  # fmt: skip
def test_what_does_not_resolve_is_found(text: str, count: int) -> None:
    method = sections((ROOT / 'docs' / 'method.md').read_text(encoding='utf-8'))
    assert len(unresolved(text, method)) == count
