# SPDX-License-Identifier: Apache-2.0
"""Restricts files that untrusted requests may name to those below one folder."""

from __future__ import annotations

import os
from pathlib import Path

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.util.user_folders import data_folder

__all__ = ['BaseFolder']


class BaseFolder:
    """Resolves names inside ``folder``; empty: `data_folder`; '/': every file of the machine."""

    def __init__(self, folder: str = '') -> None:
        given = Path(folder).expanduser() if folder else data_folder()
        self.folder = Path(os.path.normpath(given.absolute()))

    def find(self, name: str | Path) -> Path | None:
        """Path of ``name``, relative to the folder or absolute; None if it leads out of the folder.

        Paths outside are not accessed, so the answer does not reveal if they exist. Links that lead out are refused.
        """
        try:
            # Check the text first: a path that leads out is refused before the disk is accessed.
            path = Path(os.path.normpath(self.folder / Path(name).expanduser()))
            if not path.is_relative_to(self.folder):
                return None
            inside = path.resolve().is_relative_to(self.folder.resolve())
            path.is_symlink()  # raises for a name that is too long
        except (OSError, RuntimeError, ValueError):  # too long, a loop of links, a null character
            return None
        return path if inside else None

    def require(self, name: str | Path) -> Path:
        """Like `find`, but raises ConfigError if the path leads out of the folder."""
        path = self.find(name)
        if path is None:
            raise ConfigError(
                f'{str(name)[:80]!r} is not below {self.folder}; copy the file there, or start the node with another '
                'files.folder (/ allows every file)'
            )
        return path
