# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from diffposetalk_ros.cli.main import main
from diffposetalk_ros.evaluation.report import machine
from diffposetalk_ros.evaluation.speech_sets import SpeechClip, write_clips


@pytest.fixture()
def index(tmp_path: Path, make_clip: Callable[..., SpeechClip]) -> Path:
    """Prepared clips of the set librivox, two of a second, one of six."""
    write_clips([make_clip(f'c{i}', i, n) for i, n in enumerate((10, 10, 60))], tmp_path / 'clips')
    path = tmp_path / 'clips' / 'clips.jsonl'
    records = [json.loads(line) | {'split': 'librivox'} for line in path.read_text().splitlines()]
    path.write_text(''.join(json.dumps(record) + '\n' for record in records))
    return path


def _run(model: Path, index: Path, out: Path, *more: str) -> int:
    return main(
        ['evaluate', '--model', str(model), '--clips', str(index), '--sets', 'librivox']
        + ['--samplers', 'ddpm:51,ddim:1', '--reference-clips', '1', '--jobs', '2']
        + ['--styles', '4', '--out', str(out), *more]
    )


def test_one_command_writes_tables_definitions_and_plots(
    model_folder: Path, index: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'docs' / 'evaluation.md'
    assert _run(model_folder, index, out) == 0
    page = out.read_text()
    assert '## librivox: 3 clips' in page
    for row in ('| ddpm:51 |', '| ddim:1, shuffled style |', '| mean motion |', '| animator, other draw |'):
        assert row in page
    for word in (
        '**LVE**',
        '**closure recall**',
        '**chance**',
        'numpy',
        'seed: 0',
        '## Style',
        '## Diversity',
    ):
        assert word in page
    for line in page.splitlines():
        assert not line.startswith('|') or line.endswith('|')
    figures = json.loads((out.parent / 'evaluation.json').read_text())
    assert figures['sets']['librivox']['mean motion']['closures']['recall'] == 0.0
    assert figures['sets']['librivox']['mean motion']['closures']['precision'] is None
    assert figures['sets']['librivox, part']['ddpm:51']['clips'] == 1
    for plot in ('evaluation_closures.png', 'evaluation_visemes.png'):
        assert f'({plot})' in page
        assert (out.parent / plot).stat().st_size > 10_000


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        (['--sets', 'vox'], "no set 'vox'"),
        (['--sets', 'dev'], '--corpus'),
        (['--sets', 'asterisk'], 'asterisk is empty'),
        (['--limit', '0'], '--limit 0'),
        (['--reference-clips', '0'], '--reference-clips 0'),
        (['--styles', '1'], '--styles 1'),
        (['--seed', '-1'], '--seed -1'),
        (['--style', 'angry'], "no style 'angry'"),
        (['--samplers', 'euler:9'], "sampler 'euler:9'"),
        (['--clips', 'nowhere.jsonl'], 'cannot read clips'),
        (['--model', 'nowhere'], "no model 'nowhere'"),
    ],
)
def test_wrong_options_end_in_one_line(
    model_folder: Path,
    index: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    message: str,
) -> None:
    out = tmp_path / 'page.md'
    assert _run(model_folder, index, out, *more) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count('\n') == 1
    assert not out.exists()


def test_unwritable_report_is_one_line(
    model_folder: Path, index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'file').write_text('')
    assert _run(model_folder, index, tmp_path / 'file' / 'page.md', '--limit', '1', '--styles', '0') == 1
    assert 'is a file' in capsys.readouterr().err


def test_machine_names_versions() -> None:
    assert 'Python 3.' in machine()
    assert 'numpy ' in machine()
