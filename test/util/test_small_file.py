# SPDX-License-Identifier: Apache-2.0
"""What a foreign folder may hold in place of a small text neither hangs the reader nor fills its memory."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from diffposetalk_ros.errors import ConfigError, ModelError
from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.model.loader import motion_statistics
from diffposetalk_ros.util.output_file import part_of
from diffposetalk_ros.util.small_file import read_small_text


def test_text_is_read_and_bounded(tmp_path: Path) -> None:
    (tmp_path / 'a').write_text('größe', encoding='utf-8')
    assert read_small_text(tmp_path / 'a') == 'größe'
    assert read_small_text(tmp_path / 'a', 7) == 'größe'
    with pytest.raises(OSError, match='larger'):
        read_small_text(tmp_path / 'a', 6)


@pytest.mark.parametrize('name', ['stats.json', 'config.json'])
@pytest.mark.parametrize('kind', ['pipe', 'device', '300 MB'])
def test_a_model_folder_with_a_trap_is_refused_at_once(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    if kind == 'pipe':
        os.mkfifo(path)
    elif kind == 'device':
        path.symlink_to('/dev/zero')
    else:
        with path.open('wb') as file:
            file.truncate(300_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises((ConfigError, ModelError), match='regular file|larger than') as caught:
        ModelConfig.load(path) if name == 'config.json' else motion_statistics(tmp_path, 55)
    assert '\n' not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_a_part_cannot_be_foreseen_and_keeps_the_mode(tmp_path: Path) -> None:
    target = tmp_path / 'm.npz'
    first, second = part_of(target), part_of(target)
    assert first != second and first.is_file() and not first.is_symlink()
    mask = os.umask(0)
    os.umask(mask)
    assert first.stat().st_mode & 0o777 == 0o666 & ~mask
    target.write_text('old')
    target.chmod(0o600)
    assert part_of(target).stat().st_mode & 0o777 == 0o600


def test_no_planted_link_is_written_through(tmp_path: Path) -> None:
    """Every name a part ever had leads to a victim: it stays as it is."""
    victim = tmp_path / 'victim'
    victim.write_text('mine')
    folder = tmp_path / 'out'
    folder.mkdir()
    program = (
        'import os, sys; from pathlib import Path; import numpy as np; folder, victim = map(Path, sys.argv[1:])\n'
        'names = [f".m.npz.{os.getpid()}.part", "m.part", "m.npz.part"]\n'
        'for name in names: (folder / name).symlink_to(victim)\n'
        'from diffposetalk_ros.motion.files.motion_file import MotionClip, save_motion\n'
        'from diffposetalk_ros.motion.layout import arkit_layout\n'
        'save_motion(folder / "m.npz", MotionClip(np.zeros((2, 55)), 25, arkit_layout()))'
    )
    subprocess.run([sys.executable, '-c', program, folder, victim], check=True)
    assert victim.read_text() == 'mine' and (folder / 'm.npz').is_file()
    shutil.rmtree(folder)
