# SPDX-License-Identifier: Apache-2.0
"""A file appears whole or not at all, and never through what somebody placed beside it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from diffposetalk_ros.errors import ConfigError, MotionError
from diffposetalk_ros.util.output_file import (
    cannot_write,
    check_output,
    part_of,
    whole_file,
    write_atomically,
)


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / 'm.npz'
    target.write_text('old')
    with pytest.raises(ValueError, match='half'), whole_file(target) as part:
        part.write_text('ne')
        raise ValueError('half')
    assert target.read_text() == 'old' and list(tmp_path.iterdir()) == [target]
    with whole_file(target) as part:
        part.write_text('new')
    assert target.read_text() == 'new' and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize('exists', [True, False])
def test_a_link_stays_and_the_file_it_leads_to_is_written(tmp_path: Path, exists: bool) -> None:
    for name in ('takes', 'here'):
        (tmp_path / name).mkdir()
    target, link = tmp_path / 'takes' / 'm.npz', tmp_path / 'here' / 'm.npz'
    link.symlink_to('../takes/m.npz')
    if exists:
        target.write_text('old')
        target.chmod(0o600)
    check_output(link, ('.npz',))
    write_atomically(link, b'new')
    assert link.is_symlink() and target.read_text() == 'new'
    assert [file.name for file in tmp_path.rglob('*.*')] == ['m.npz', 'm.npz']
    assert not exists or target.stat().st_mode & 0o777 == 0o600


def test_only_files_are_written(tmp_path: Path) -> None:
    pipe, device, loop, lost = (tmp_path / f'{name}.npz' for name in ('pipe', 'device', 'loop', 'lost'))
    os.mkfifo(pipe)
    device.symlink_to('/dev/null')
    loop.symlink_to(loop)
    lost.symlink_to(tmp_path / 'none' / 'm.npz')
    for path in (pipe, device, loop):
        with pytest.raises(ConfigError, match=f'{path.name} cannot be written .it is a pipe, a device'):
            check_output(path, ('.npz',))
        with pytest.raises(MotionError, match=f'{path.name}: cannot be written .it is a pipe, a device'):
            write_atomically(path, b'new')
    with pytest.raises(ConfigError, match='lost.npz: there is no folder .*none; make it first'):
        check_output(lost, ('.npz',))
    assert pipe.is_fifo() and all(path.is_symlink() for path in (device, loop, lost))


def test_what_cannot_be_written_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(MotionError, match='cannot be written') as caught:
        write_atomically(tmp_path / 'none' / 'm.npz', b'new')
    assert '\n' not in str(caught.value)


def test_a_full_disk_is_not_taken_for_a_lack_of_rights(tmp_path: Path) -> None:
    full, denied = (OSError(number, os.strerror(number)) for number in (errno.ENOSPC, errno.EACCES))
    assert cannot_write(Path('m.npz'), full) == (
        'm.npz: cannot be written (No space left on device); free space there'
    )
    assert cannot_write(Path('m.npz'), denied) == (
        'm.npz: cannot be written (Permission denied); check the folder and its permissions'
    )
    told = 'No space left on device.; free space there$'
    with pytest.raises(MotionError, match=told), mock.patch('os.fsync', side_effect=full):
        write_atomically(tmp_path / 'm.npz', b'new')
    assert not list(tmp_path.iterdir())


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
        'from diffposetalk_ros.motion.files.motion_file import save_motion\n'
        'from diffposetalk_ros.motion.layout import arkit_layout\n'
        'from diffposetalk_ros.motion.motion_clip import MotionClip\n'
        'save_motion(folder / "m.npz", MotionClip(np.zeros((2, 55)), 25, arkit_layout()))'
    )
    subprocess.run([sys.executable, '-c', program, folder, victim], check=True)
    assert victim.read_text() == 'mine' and (folder / 'm.npz').is_file()
    shutil.rmtree(folder)
