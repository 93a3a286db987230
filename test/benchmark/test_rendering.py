# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.cli.main import main

pytest.importorskip('av', reason='PyAV is not installed')


def test_the_verb_writes_both_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile = pytest.importorskip('soundfile')
    sound = 0.1 * np.random.default_rng(0).standard_normal(16000)
    soundfile.write(tmp_path / 'noise.wav', sound, 16000)
    command = ['bench-render', str(tmp_path / 'noise.wav'), '--workers', '1', '--size', '64x48']
    assert main([*command, '-o', str(tmp_path / 'render')]) == 0
    report = json.loads((tmp_path / 'render.json').read_text())
    steps, files = report['tables']
    names = ['vertices', 'light, sorting, filling', 'YUV and H.264', 'together']
    assert [row[0] for row in steps['rows']] == names
    assert files['rows'][0][:2] == [1, 25]
    assert report['about']['av'] and 'bench-render' in report['about']['command']
    assert main([*command[:-1], 'wide']) == 1
    assert 'WIDTHxHEIGHT' in capsys.readouterr().err
