# SPDX-License-Identifier: Apache-2.0
"""A helper process ends when its parent ends, in whatever way."""

from __future__ import annotations

import ctypes
import signal

__all__ = ['end_with_parent']

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Ask Linux to end this process when its parent dies, even by SIGKILL."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
