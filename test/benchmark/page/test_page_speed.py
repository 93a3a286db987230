# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('aiohttp')
pytest.importorskip('onnxruntime')

from diffposetalk_ros.benchmark.page import browser
from diffposetalk_ros.cli.main import main


@pytest.mark.skipif(browser.CHROMIUM is None, reason='no Chromium on this machine (apt install chromium)')
def test_the_verb_measures_both_views(tmp_path: Path) -> None:
    soundfile = pytest.importorskip('soundfile')
    soundfile.write(tmp_path / 'noise.wav', 0.1 * np.random.default_rng(0).standard_normal(32000), 16000)
    command = ['bench-page', str(tmp_path / 'noise.wav'), '--size', '320x240']
    assert main([*command, '--seconds', '1', '--rounds', '1', '-o', str(tmp_path / 'page')]) == 0
    report = json.loads((tmp_path / 'page.json').read_text())
    speed, weight = report['tables']
    assert [row[0] for row in speed['rows']] == ['face alone (kiosk)', 'with panel']
    assert all(row[1] > 1 for row in speed['rows'])
    assert dict(weight['rows'])['all files'] < 1
    assert 'Chrom' in report['about']['browser'] and 'SwiftShader' in report['about']['WebGL']


@pytest.mark.skipif(browser.CHROMIUM is None, reason='no Chromium on this machine (apt install chromium)')
def test_the_verb_opens_fresh_pages_and_tells_which_sound(tmp_path: Path) -> None:
    assert main(['bench-page', '--pages', '2', '-o', str(tmp_path / 'sound')]) == 0
    (table,) = json.loads((tmp_path / 'sound.json').read_text())['tables']
    assert [row[:5] for row in table['rows']] == [['one click', 'off', 1, 1, 0], ['autoplay', 'off', 1, 1, 0]]


def test_wrong_input_ends_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(['bench-page', '--rounds', '0']) == 1
    assert '0 runs' in capsys.readouterr().err
    monkeypatch.setattr(browser, 'CHROMIUM', None)
    assert main(['bench-page', '-o', str(tmp_path / 'page')]) == 1
    assert 'apt install chromium' in capsys.readouterr().err
