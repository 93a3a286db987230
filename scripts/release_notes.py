# SPDX-License-Identifier: Apache-2.0
"""Print the changelog of one version: python scripts/release_notes.py 0.1.0

Fails where the tag, package.xml and CITATION.cff do not name the same version, or the changelog has no section of it.
"""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]


def notes(version: str) -> str:
    """The section of CHANGELOG.rst. Raises SystemExit that says what does not agree."""
    manifest = ElementTree.parse(ROOT / 'package.xml').getroot().findtext('version')
    citation = re.search(r'^version: (\S+)$', (ROOT / 'CITATION.cff').read_text(), re.M)
    stated = {'package.xml': manifest, 'CITATION.cff': citation and citation[1]}
    for name, found in stated.items():
        if found != version:
            raise SystemExit(f'{name} says {found}, the release is {version}')
    sections = re.split(r'^(\S+) \(.*\)\n-+\n', (ROOT / 'CHANGELOG.rst').read_text(), flags=re.M)
    for name, text in zip(sections[1::2], sections[2::2], strict=True):
        if name == version:
            return text.strip()
    raise SystemExit(f'CHANGELOG.rst has no section {version}')


if __name__ == '__main__':
    print(notes(*sys.argv[1:]))
