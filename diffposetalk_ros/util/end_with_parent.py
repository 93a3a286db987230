# SPDX-License-Identifier: Apache-2.0
"""Processes that help another end when that one ends, however it does."""

from __future__ import annotations

import ctypes
import signal

__all__ = ['end_with_parent']

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Linux ends this process when its parent dies, even by SIGKILL, which nobody can catch."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
