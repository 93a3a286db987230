# SPDX-License-Identifier: Apache-2.0
"""`track` and `extract-style` on what people have: raw takes, and sources that cannot serve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.cli.main import main
from diffposetalk_ros.motion.files.motion_file import save_motion
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.motion.motion_clip import MotionClip


@pytest.mark.parametrize(
    ('words', 'reason'),
    [
        (['track'], 'name a video or camera'),
        (['track', 'me.mp4', '-o', 'out.txt'], '.npz'),
        (['track', 'nothing.mp4', '-o', 'out.npz'], 'nothing.mp4 cannot be read'),
        (['track', '/dev/video97', '-o', 'out.npz'], ''),
        (
            ['extract-style', 'me.mp4', '-o', 'out.npy', '--calibrate', 'arkit'],
            '--calibrate is for motion files',
        ),
    ],
)
def test_bad_input(
    words: list[str],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 1
    errors = capsys.readouterr().err
    assert errors.startswith(f'diffposetalk {words[0]}: ') and reason in errors
    assert errors.count('\n') == 1 and not list(tmp_path.iterdir())


def test_a_raw_take_makes_another_style_than_the_same_numbers_as_motion(tmp_path: Path) -> None:
    pytest.importorskip('onnxruntime', reason='no ONNX Runtime')
    rng = np.random.default_rng(0)
    values = np.clip(rng.normal(0.2, 0.1, (250, 55)), 0, 1).astype(np.float32)
    values[:, 53] = 0.4  # a camera that stands aside
    save_motion(tmp_path / 'take.npz', MotionClip(values, 25.0, arkit_layout()))
    styles = []
    for name, options in (('plain', []), ('arkit', ['--calibrate', 'arkit'])):
        path = tmp_path / f'{name}.npy'
        assert main(['extract-style', str(tmp_path / 'take.npz'), '-o', str(path), *options]) == 0
        styles.append(np.load(path))
    assert styles[0].shape == styles[1].shape
    assert np.abs(styles[0] - styles[1]).max() > 0.05
