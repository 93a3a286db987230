# SPDX-License-Identifier: Apache-2.0
"""Where installed data lies (models, config, launch), however the package was installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from diffposetalk_ros.errors import ModelError

__all__ = ['DEFAULT_MODEL', 'find_model', 'share_directories']

DEFAULT_MODEL = 'embedded'
"""Name of the model that ships with the package."""

_PACKAGE = 'diffposetalk_ros'


def share_directories() -> list[Path]:
    """Folders that may hold `models/` and `config/`, best first: $DIFFPOSETALK_SHARE, the checkout,
    the ament index, the Python prefix."""
    places = []
    if os.environ.get('DIFFPOSETALK_SHARE'):
        places.append(Path(os.environ['DIFFPOSETALK_SHARE']))
    places.append(Path(__file__).resolve().parents[1])
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        if prefix:
            places.append(Path(prefix) / 'share' / _PACKAGE)
    places.append(Path(sys.prefix) / 'share' / _PACKAGE)
    return places


def find_model(name: str | Path = DEFAULT_MODEL) -> Path:
    """Folder of a model, given as a path or as the name of one that ships.

    Raises ModelError that says where was looked.
    """
    path = Path(name).expanduser()
    if (path / 'config.json').is_file():
        return path
    tried = [share / 'models' / str(name) for share in share_directories()]
    for folder in tried:
        if (folder / 'config.json').is_file():
            return folder
    shipped = sorted({f.parent.name for s in share_directories() for f in s.glob('models/*/config.json')})
    raise ModelError(
        f'no model {str(name)!r}: neither a folder with config.json nor one that ships '
        f'({", ".join(shipped) or "none found"}); looked in {", ".join(str(p.parent) for p in tried)}'
    )
