# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('onnxruntime')

from diffposetalk_ros.benchmark.quality import Quality, worst_loss  # noqa: E402
from diffposetalk_ros.cli.main import main  # noqa: E402
from diffposetalk_ros.evaluation.speech_sets import SpeechClip, write_clips  # noqa: E402


def clips() -> list[SpeechClip]:
    rng = np.random.default_rng(0)
    phones = ((0.1, 0.3, 'AH'), (0.3, 0.4, 'M'), (0.4, 0.8, 'AE'), (0.8, 0.9, 'P'), (0.9, 1.4, 'IY'))
    return [
        SpeechClip(f'c{k}', 'v', f'set{k % 2}', rng.uniform(-0.3, 0.3, 24000).astype('f4'), 'a map', phones)
        for k in range(3)
    ]


def test_worst_loss() -> None:
    reference = Quality(9.0, 10, 0.8, 0.5, 3.0, 0.2, 0.5, 1.0)
    assert worst_loss(reference, reference)[0] == 0.0
    assert worst_loss(replace(reference, recall=0.4), reference) == (0.5, 'recall')
    loss, name = worst_loss(replace(reference, lve=3.3, fdd=-0.19), reference)
    assert name == 'LVE' and loss == pytest.approx(0.1)
    assert worst_loss(replace(reference, fdd=-0.3), reference) == (pytest.approx(0.2), 'FDD')
    # Better in all is no loss, and one step need not find a style that 500 do not find.
    better = Quality(1.0, 10, 0.9, 0.6, 2.0, 0.1, 0.5, 0.9)
    assert worst_loss(better, replace(reference, found=0.0))[0] <= 0.0


def test_table_of_every_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clips(clips(), tmp_path)
    words = [
        'bench-quality',
        str(tmp_path / 'clips.jsonl'),
        '--per-set',
        '1',
        '--reference',
        '3',
        '--styles',
        '2',
    ]
    assert main([*words, '--scales', '1.5:1', '-o', str(tmp_path / 'q')]) == 0
    table = json.loads((tmp_path / 'q.json').read_text())['tables'][0]
    assert [row[0] for row in table['rows'][:3]] == ['ddpm 3', 'ddpm 3, other seed', 'ddim 1']
    assert len(table['rows']) == 11 and '2 clips (set0, set1)' in table['note']
    assert table['title'] == 'Guidance scales 1.5 and 1'
    assert table['rows'][0][-1] is None and table['rows'][2][-1].endswith(
        ('recall', 'precision', 'LVE', 'FDD', 'style')
    )
    capsys.readouterr()
    assert main([*words, '--scales', '1.5']) == 1
    assert "--scales '1.5'" in capsys.readouterr().err
