# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffposetalk_ros.cli.main import main
from diffposetalk_ros.errors import AudioError, ConfigError
from diffposetalk_ros.motion.files.motion_file import save_motion
from diffposetalk_ros.motion.layout import arkit_layout, layout_for
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.viewer.plot import closures, plot_motion


def _clip(space: str = 'arkit', head: bool = True) -> MotionClip:
    layout = layout_for(space, head)
    values = np.random.default_rng(1).uniform(0, 1, (30, layout.width)).astype(np.float32)
    return MotionClip(values, 25, layout, {'phonemes': [[0.1, 0.2, 'p'], [0.2, 0.5, 'a'], [9, 10, 'x']]})


@pytest.mark.parametrize(('space', 'head'), [('arkit', True), ('arkit', False), ('flame', True)])
def test_every_space_has_a_chart(tmp_path: Path, space: str, head: bool) -> None:
    plot_motion(_clip(space, head), tmp_path / 'o.png')
    with Image.open(tmp_path / 'o.png') as picture:
        assert np.asarray(picture.convert('L')).std() > 5


def test_sound_and_chosen_channels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile = pytest.importorskip('soundfile', reason='no soundfile to write the test sound')
    soundfile.write(tmp_path / 's.wav', np.random.default_rng(0).normal(0, 0.1, 20001), 16000)
    save_motion(tmp_path / 'm.npz', _clip())
    plain, full = tmp_path / 'a.png', tmp_path / 'b.png'
    words = ['plot', str(tmp_path / 'm.npz'), '--channels', 'jawOpen, mouthClose', '-o']
    assert main([*words, str(plain)]) == 0
    assert main([*words, str(full), '--audio', str(tmp_path / 's.wav')]) == 0
    with Image.open(plain) as a, Image.open(full) as b:
        assert b.size[1] > a.size[1]
    assert main(['plot', str(tmp_path / 'm.npz'), '-o', str(plain), '--channels', 'jawOpn']) == 1
    assert 'jawOpen' in capsys.readouterr().err


def test_closures_are_the_spans_below_a_millimetre() -> None:
    opening = np.array([0.2, 0.9, 5, 5, 1.0, 5, 0.1], np.float32)
    assert closures(opening, 10) == [(0.0, 0.2), (0.4, 0.5), (0.6, 0.7)]
    assert closures(np.full(3, 9, np.float32), 10) == []


def test_bad_requests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='png'):
        plot_motion(_clip(), tmp_path / 'o.pdf')
    with pytest.raises(ConfigError, match='smirk'):
        plot_motion(_clip(), tmp_path / 'o.png', channels=['smirk'])
    with pytest.raises(AudioError, match='none.wav'):
        plot_motion(_clip(), tmp_path / 'o.png', tmp_path / 'none.wav')
    one = MotionClip(np.zeros((1, 55), np.float32), 25, arkit_layout())
    plot_motion(one, tmp_path / 'o.png')
