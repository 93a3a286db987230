# SPDX-License-Identifier: Apache-2.0
"""`diffposetalk simulate-robot` as a user types it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('mujoco')
pytest.importorskip('ruckig')
pytest.importorskip('onnxruntime')
soundfile = pytest.importorskip('soundfile')

from diffposetalk_ros.cli.main import main  # noqa: E402

ROOT = Path(__file__).parents[2]


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    samples, rate = soundfile.read(ROOT / 'models' / 'demo' / 'hello.flac', stop=32000)
    path = tmp_path / 'speech.wav'
    soundfile.write(path, samples, rate)
    return path


def test_lags_and_a_video_with_sound(
    speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    av = pytest.importorskip('av')
    video = tmp_path / 'robot.mp4'
    status = main(['simulate-robot', str(speech), '-o', str(video)])
    out, error = capsys.readouterr()
    if 'cannot render here' in error:
        pytest.skip(error)
    assert status == 0, error
    lines = out.splitlines()
    assert len(lines) == 16 and lines[-1] == f'wrote {video} with 50 frames'
    assert any(line.startswith('jaw ') and ' ms ' in line for line in lines)
    with av.open(str(video)) as file:
        assert {stream.type for stream in file.streams} == {'video', 'audio'}
        pictures = [frame.to_ndarray(format='rgb24') for frame in file.decode(video=0)]
    assert len(pictures) == 50 and pictures[0].shape == (480, 480, 3)
    assert np.abs(pictures[30].astype(int) - pictures[0]).max() > 50  # something moved


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        (['-o', 'robot.gif'], 'use .mp4'),
        (['-o', 'none/robot.mp4'], 'there is no folder none'),
        (['--map', 'no.yaml'], 'cannot read no.yaml'),
        (['--urdf', 'no.urdf'], 'cannot read no.urdf'),
        (['--style', 'nobody'], 'nobody'),
    ],
)
def test_mistakes_are_one_line(
    speech: Path, words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['simulate-robot', str(speech), *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith('diffposetalk simulate-robot: ') and expected in error and error.count('\n') == 1


def test_a_map_for_another_robot_is_refused(
    speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'map.yaml'
    path.write_text(
        'format: 1\nrobot: one\nspace: arkit\njoints:\n  jaw: {unit: rad, limits: [0, 1], speed: 1, '
        'acceleration: 10, jerk: 100, sources: [{channel: jawOpen, gain: 1}]}\n'
    )
    assert main(['simulate-robot', str(speech), '--map', str(path)]) == 1
    assert 'the map has no joint neck_pan' in capsys.readouterr().err
