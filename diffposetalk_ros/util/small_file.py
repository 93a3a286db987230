# SPDX-License-Identifier: Apache-2.0
"""Small text files in untrusted folders."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

__all__ = ['MAX_TEXT', 'read_small_text']

MAX_TEXT = 4 << 20
"""Bytes: far more than any configuration or statistics have."""


def read_small_text(path: Path, max_bytes: int = MAX_TEXT) -> str:
    """Text (UTF-8) of a regular file of at most ``max_bytes``.

    Raises OSError for a pipe or device, which could block the reader for ever, and for a larger file, which
    is not read; UnicodeDecodeError for bytes that are not text.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(handle, 'rb') as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, 'it is not a regular file', str(path))
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, f'it is larger than {max_bytes / 1e6:.0f} MB', str(path))
    return data.decode()
