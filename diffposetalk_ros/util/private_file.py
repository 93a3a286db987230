# SPDX-License-Identifier: Apache-2.0
"""Small files that only their owner may read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from diffposetalk_ros.errors import ConfigError

__all__ = ['write_private']


def write_private(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, readable by the owner only, in one step. Makes the folder, for the owner only.

    An existing file at ``path`` is replaced; a link is not followed. Raises ConfigError if it cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent)  # mode 0600, and a name that cannot be guessed
        try:
            with os.fdopen(handle, 'w', encoding='utf-8') as file:
                file.write(text)
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(f'{path} cannot be written ({error.strerror})') from error
