# SPDX-License-Identifier: Apache-2.0
"""`diffposetalk bench-start` over real DDS: every moment is measured, in the order in which it comes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')

ROOT = Path(__file__).parents[3]


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, '-m', 'diffposetalk_ros.cli', 'bench-start', *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)


def test_a_burst_each_way(model_folder: Path, tmp_path: Path) -> None:
    done = bench('--times', '1', '--model', str(model_folder), '-o', str(tmp_path / 'start'))
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / 'start.json').read_text())['tables'][0]['rows']
    assert [row[0] for row in rows] == [
        'first frame, without stamps',
        'first sound, without stamps',
        'at rest after an interrupt',
        'first frame, with stamps',
        'first sound, with stamps',
    ]
    assert all(0 < p50 <= p95 <= largest for _, p50, p95, largest in rows)
    assert '| first sound, with stamps |' in (tmp_path / 'start.md').read_text()


def test_nothing_to_measure_is_refused() -> None:
    done = bench('--times', '0')
    assert done.returncode == 1 and done.stderr == 'diffposetalk bench-start: --times 0; use 1 or more\n'
