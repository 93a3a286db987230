# SPDX-License-Identifier: Apache-2.0
"""The page's tracker is taken out of its npm package by digest, and a missing one is told."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from diffposetalk_ros.errors import ModelError
from diffposetalk_ros.tracking import model_file, page_tracker
from diffposetalk_ros.util.user_folders import cache_folder

NAMES = ('vision_bundle.mjs', 'vision_wasm_internal.js', 'vision_wasm_internal.wasm')


def write_package(path: Path, names: tuple[str, ...] = NAMES) -> Path:
    with tarfile.open(path, 'w:gz') as archive:
        for name in (*names, 'README.md', '../../escaped.js'):
            entry = tarfile.TarInfo(f'package/wasm/{name}')
            entry.size = len(name)
            archive.addfile(entry, io.BytesIO(name.encode()))
    return path


@pytest.fixture(autouse=True)
def _nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr(model_file, '_carriers', lambda: [])


def test_a_missing_tracker_is_told_with_the_command_that_installs_it() -> None:
    with pytest.raises(ModelError, match='diffposetalk track --install-page'):
        page_tracker.find_page_tracker()


def test_only_the_right_files_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = write_package(tmp_path / 'package.tgz')
    with pytest.raises(ModelError, match=r'sha256 [0-9a-f]{12}\.\.\. instead of'):
        page_tracker.install_page_tracker(package)
    assert not cache_folder().exists()
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in NAMES}
    monkeypatch.setattr(page_tracker, '_DIGESTS', digests)
    folder = page_tracker.install_page_tracker(package)
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    assert not list(tmp_path.rglob('escaped.js'))
    with pytest.raises(ModelError, match='--install-model'):  # the network is a file of its own
        page_tracker.find_page_tracker()
    model = cache_folder() / 'face_landmarker.task'
    model.write_bytes(b'network')
    monkeypatch.setattr(model_file, 'FACE_MODEL_SHA256', hashlib.sha256(b'network').hexdigest())
    assert page_tracker.find_page_tracker() == {name: folder / name for name in NAMES} | {model.name: model}
    (folder / NAMES[2]).write_bytes(b'changed')
    with pytest.raises(ModelError, match='install it again'):
        page_tracker.find_page_tracker()


def test_other_packages_are_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r'does not carry vision_wasm_internal.wasm'):
        page_tracker.install_page_tracker(write_package(tmp_path / 'other.tgz', NAMES[:2]))
    (tmp_path / 'noise.tgz').write_bytes(b'noise')
    with pytest.raises(ModelError, match='not a readable package'):
        page_tracker.install_page_tracker(tmp_path / 'noise.tgz')
    with pytest.raises(ModelError, match='not a readable package'):
        page_tracker.install_page_tracker(tmp_path / 'none.tgz')
