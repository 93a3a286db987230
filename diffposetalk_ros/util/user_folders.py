# SPDX-License-Identifier: Apache-2.0
"""Folders of this program below the user's home, as the XDG Base Directory Specification places them."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ['cache_folder', 'data_folder']

_PROGRAM = 'diffposetalk_ros'


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/diffposetalk_ros, or ~/.cache/diffposetalk_ros: files that can be made again."""
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / _PROGRAM


def data_folder() -> Path:
    """$XDG_DATA_HOME/diffposetalk_ros, or ~/.local/share/diffposetalk_ros: files of the user."""
    return Path(os.environ.get('XDG_DATA_HOME') or Path.home() / '.local' / 'share') / _PROGRAM
