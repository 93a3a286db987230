# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.util.base_folder import BaseFolder
from diffposetalk_ros.util.user_folders import data_folder


def test_names_are_resolved_inside(tmp_path: Path) -> None:
    base = BaseFolder(str(tmp_path / 'base'))
    assert base.require('a/b.wav') == base.folder / 'a' / 'b.wav'
    assert base.require(base.folder / 'x.npz') == base.folder / 'x.npz'
    assert base.find('a/../x.npz') == base.folder / 'x.npz'


@pytest.mark.parametrize(
    'name',
    [
        '../x',
        '/etc/passwd',
        'a/../../x',
        '~/x',
        '~nobody_at_all/x',
        'link/x',
        'link',
        'a\0b',
        300 * 'a',
        3000 * 'a/',
    ],
)
def test_what_leads_out_is_refused_with_one_answer(tmp_path: Path, name: str) -> None:
    base = BaseFolder(str(tmp_path / 'base'))
    base.folder.mkdir()
    (base.folder / 'link').symlink_to(tmp_path)
    assert base.find(name) is None
    with pytest.raises(
        ConfigError, match='is not below .*/base; copy the file there, or start the node with another'
    ):
        base.require(name)


def test_a_slash_allows_every_file_and_nothing_means_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path))
    assert BaseFolder().folder == data_folder() == tmp_path / 'diffposetalk_ros'
    assert BaseFolder('/').require(tmp_path / 'x') == tmp_path / 'x'
    (tmp_path / 'real').mkdir()
    (tmp_path / 'alias').symlink_to(tmp_path / 'real')
    alias = BaseFolder(str(tmp_path / 'alias'))
    assert alias.require('x') == tmp_path / 'alias' / 'x', 'the folder itself may be a link'
