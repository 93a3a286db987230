# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from diffposetalk_ros.util.user_folders import cache_folder, data_folder


def test_folders_are_where_the_environment_says_or_below_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('HOME', '/home/someone')
    for unset in ('', None):
        for name in ('XDG_CACHE_HOME', 'XDG_DATA_HOME'):
            monkeypatch.delenv(name, raising=False) if unset is None else monkeypatch.setenv(name, unset)
        assert cache_folder() == Path('/home/someone/.cache/diffposetalk_ros')
        assert data_folder() == Path('/home/someone/.local/share/diffposetalk_ros')
    monkeypatch.setenv('XDG_CACHE_HOME', '/fast')
    monkeypatch.setenv('XDG_DATA_HOME', '/large')
    assert (cache_folder(), data_folder()) == (
        Path('/fast/diffposetalk_ros'),
        Path('/large/diffposetalk_ros'),
    )
