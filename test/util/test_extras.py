# SPDX-License-Identifier: Apache-2.0
"""What is not installed is named, with the extra that brings it."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.cli.main import main
from diffposetalk_ros.motion.files.motion_file import save_motion
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.util.extras import EXTRAS, install_hint

SETUP = (Path(__file__).parents[2] / 'setup.py').read_text()


def test_every_extra_is_one_of_the_setup() -> None:
    assert set(EXTRAS.values()) <= set(re.findall(r"^    '([a-z-]+)':", SETUP, re.MULTILINE))


def test_other_modules_have_no_hint() -> None:
    assert install_hint(ModuleNotFoundError('x', name='numpy.linalg')) is None
    assert install_hint(ModuleNotFoundError('x')) is None


@pytest.mark.parametrize(('ending', 'module'), [('mp4', 'av'), ('png', 'PIL')])
def test_pictures_without_the_extra(
    ending: str,
    module: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    motion = tmp_path / 'm.npz'
    save_motion(motion, MotionClip(np.zeros((2, 55), np.float32), 25, arkit_layout()))
    monkeypatch.setitem(sys.modules, module, None)
    assert main(['render', str(motion), '-o', str(tmp_path / f'face.{ending}')]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and 'pip install -e ".[render]"' in lines[0]


def test_a_chart_without_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    motion = tmp_path / 'm.npz'
    save_motion(motion, MotionClip(np.zeros((2, 55), np.float32), 25, arkit_layout()))
    monkeypatch.setitem(sys.modules, 'matplotlib.figure', None)
    assert main(['plot', str(motion), '-o', str(tmp_path / 'm.png')]) == 1
    assert '.[render]' in capsys.readouterr().err
