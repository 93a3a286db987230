# SPDX-License-Identifier: Apache-2.0
"""What a foreign folder may hold in place of a small text neither hangs the reader nor fills its memory."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from diffposetalk_ros.errors import ConfigError, ModelError
from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.model.loader import motion_statistics
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
