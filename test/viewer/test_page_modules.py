# SPDX-License-Identifier: Apache-2.0
"""The page's modules for time and sound, by Node's own test runner: test/viewer/page/test_*.mjs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

NODE = shutil.which('node')
TESTS = sorted((Path(__file__).parent / 'page').glob('test_*.mjs'))


@pytest.mark.skipif(NODE is None, reason='no Node on this machine (apt install nodejs)')
@pytest.mark.parametrize('path', TESTS, ids=lambda path: path.stem)
def test_module(path: Path) -> None:
    done = subprocess.run(
        [str(NODE), '--test', '--test-reporter=spec', str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '\N{INFORMATION SOURCE} pass 0' not in done.stdout, 'a file without tests proves nothing'
