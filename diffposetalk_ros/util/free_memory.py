# SPDX-License-Identifier: Apache-2.0
"""Returns freed memory to the system."""

from __future__ import annotations

import contextlib
import ctypes
import gc

__all__ = ['return_freed_memory']


def return_freed_memory() -> None:
    """Return what has been freed to the system, at once.

    glibc keeps freed blocks for later. After a model has been closed these are 50 MB, and a little more each time
    that one is opened again. With another C library only Python's garbage is collected.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
