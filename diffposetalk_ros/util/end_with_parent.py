# SPDX-License-Identifier: Apache-2.0
"""Makes a helper process end when its parent ends, however it ends."""

from __future__ import annotations

import ctypes
import signal

__all__ = ['end_with_parent']

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Ask Linux to end this process when its parent dies, even by SIGKILL."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
