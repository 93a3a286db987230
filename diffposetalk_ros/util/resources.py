# SPDX-License-Identifier: Apache-2.0
"""Find the shipped data (models, config, launch), however the package was installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from diffposetalk_ros.errors import AudioError, ConfigError, ModelError

__all__ = [
    'CONFIG', 'DEFAULT_MODEL', 'FLAME_STATS', 'NONVERBAL', 'STATS', 'STYLES', 'STYLE_WEIGHTS', 'WEIGHTS', 'demo_clip',
    'find_model', 'find_shared', 'graph_file', 'package_version', 'share_directories',
]  # fmt: skip

DEFAULT_MODEL = 'embedded'
"""Name of the model that ships with the package."""

# The files of a model folder, beside its graphs (`graph_file`).
CONFIG = 'config.json'
WEIGHTS = 'model.safetensors'
STYLE_WEIGHTS = 'style_encoder.safetensors'
STATS = 'stats.json'
FLAME_STATS = 'stats.npz'
STYLES = 'styles.safetensors'
NONVERBAL = 'nonverbal.safetensors'

_PACKAGE = 'diffposetalk_ros'


def share_directories() -> list[Path]:
    """Folders that may hold `models/` and `config/`, best first: $DIFFPOSETALK_SHARE, the checkout,
    the ament index, the Python prefix."""
    places = []
    if os.environ.get('DIFFPOSETALK_SHARE'):
        places.append(Path(os.environ['DIFFPOSETALK_SHARE']))
    places.append(Path(__file__).resolve().parents[2])
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        if prefix:
            places.append(Path(prefix) / 'share' / _PACKAGE)
    places.append(Path(sys.prefix) / 'share' / _PACKAGE)
    return places


def graph_file(network: str) -> str:
    """Name of the file with the ONNX graph of 'audio', 'sampler' or 'style' in a model folder."""
    return f'{network}.onnx'


def find_model(name: str | Path = DEFAULT_MODEL) -> Path:
    """Folder of a model, given as a path or as the name of a bundled model.

    Raises ModelError that lists where it searched.
    """
    path = Path(name).expanduser()
    if (path / CONFIG).is_file():
        return path
    tried = [share / 'models' / str(name) for share in share_directories()]
    for folder in tried:
        if (folder / CONFIG).is_file():
            return folder
    shipped = sorted({f.parent.name for s in share_directories() for f in s.glob(f'models/*/{CONFIG}')})
    raise ModelError(
        f'no model {str(name)!r}: neither a folder with {CONFIG} nor a shipped model '
        f'({", ".join(shipped) or "none found"}); searched {", ".join(str(p.parent) for p in tried)}'
    )


def find_shared(path: str) -> Path:
    """A bundled file such as config/joint_map.yaml. Raises ConfigError that lists where it searched."""
    shares = share_directories()
    for share in shares:
        if (share / path).is_file():
            return share / path
    raise ConfigError(f'{path} of this package was not found in {", ".join(str(s) for s in shares)}')


def package_version() -> str:
    """Version of this package: that of package.xml in a checkout or ROS workspace, else that of the wheel."""
    for share in share_directories():
        manifest = share / 'package.xml'
        if manifest.is_file():
            from xml.etree import ElementTree

            return ElementTree.parse(manifest).getroot().findtext('version', '')
    from importlib.metadata import version

    return version(_PACKAGE)


def demo_clip() -> Path:
    """The bundled sound file. Raises AudioError if it is not installed."""
    for share in share_directories():
        for clip in sorted((share / 'models' / 'demo').glob('*.flac')):
            return clip
    raise AudioError('the bundled clip is not installed; name a sound file')
