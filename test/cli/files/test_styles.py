# SPDX-License-Identifier: Apache-2.0
"""What a style is made of, printed, and styles that are blends of names and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.cli.main import main
from diffposetalk_ros.model.loader import LoadedModel, open_model


@pytest.fixture(scope='module')
def model() -> LoadedModel:
    pytest.importorskip('onnxruntime', reason='no ONNX Runtime')
    made = open_model('embedded')
    if made.nonverbal is None:
        pytest.skip('the embedded model has no nonverbal network')
    return made


def test_a_share_above_one_goes_further_from_neutral(model: LoadedModel) -> None:
    lively, neutral = model.styles['lively'], model.styles['neutral']
    assert model.style('lively*1.3') == pytest.approx(neutral + 1.3 * (lively - neutral), abs=1e-4)
    assert model.style('lively*0') == pytest.approx(neutral, abs=1e-5)


def test_a_file_blends_with_a_name(model: LoadedModel, tmp_path: Path) -> None:
    mine = model.styles['sad']
    np.save(tmp_path / 'me.npy', mine)
    blend = model.style(f'{tmp_path / "me.npy"}*0.5+smiling*0.5')
    assert blend == pytest.approx(0.5 * (mine + model.styles['smiling']), abs=1e-6)
    np.save(tmp_path / 'a+b*2.npy', mine)
    assert model.style(str(tmp_path / 'a+b*2.npy')) == pytest.approx(mine)


def test_describe_prints_the_traits_beside_neutral_and_draws_them(
    model: LoadedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = tmp_path / 'style.png'
    assert main(['styles', '--describe', 'lively*1.0+smiling*0', '--plot', str(plot)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert 'nearest: lively' in lines[0]
    rows = {line.split()[0]: line.split()[1:3] for line in lines[1:-1]}
    lively = model.style_parts(model.styles['lively'])[1]
    assert lively is not None
    assert float(rows['blink_rate'][0]) == pytest.approx(lively['blink_rate'], abs=0.01)
    assert float(rows['head_yaw_spread'][0]) == pytest.approx(np.degrees(lively['head_yaw_spread']), abs=0.06)
    assert plot.read_bytes()[:4] == b'\x89PNG'


@pytest.mark.parametrize(
    ('words', 'reason'),
    [
        (['--describe', 'nobody'], "no style 'nobody'"),
        (['--describe', 'nobody*0.5+smiling'], "no style 'nobody'"),
        (['--plot', 'x.png'], '--plot draws the style of --describe'),
        (['--describe', 'lively', '--plot', 'x.jpg'], 'use .png'),
    ],
)
def test_bad_input(words: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip('onnxruntime', reason='no ONNX Runtime')
    assert main(['styles', *words]) == 1
    assert reason in capsys.readouterr().err
