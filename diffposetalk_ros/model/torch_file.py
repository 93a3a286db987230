# SPDX-License-Identifier: Apache-2.0
"""Reads files written by torch.save, in both of its formats, without executing anything from them."""

from __future__ import annotations

import argparse
import re
import warnings
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import torch
from torch.serialization import safe_globals

from diffposetalk_ros.errors import CheckpointError

__all__ = ['read_torch_file']


def _posix(*parts: str) -> PurePosixPath:
    return PurePosixPath(*parts)


def _windows(*parts: str) -> PureWindowsPath:
    return PureWindowsPath(*parts)


_ALLOWED: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [argparse.Namespace]
"""Names that a DiffPoseTalk checkpoint needs beside tensors and plain values: its arguments hold paths.

Paths are read as pure ones, so that a file written on another system can be read.
"""
for _module in ('pathlib', 'pathlib._local'):
    _ALLOWED += [
        (_posix, f'{_module}.{_name}') for _name in ('PosixPath', 'PurePosixPath', 'Path', 'PurePath')
    ]
    _ALLOWED += [(_windows, f'{_module}.{_name}') for _name in ('WindowsPath', 'PureWindowsPath')]


def read_torch_file(path: Path) -> Any:
    """Object saved in ``path``, with its tensors on the CPU.

    Raises CheckpointError for a file that cannot be read, is damaged, or asks for anything but data.
    """
    if path.exists() and not path.is_file():
        raise CheckpointError(f'cannot read {path}: it is not a file')  # reading a device may never end
    try:
        with safe_globals(_ALLOWED), warnings.catch_warnings():
            warnings.simplefilter(
                'ignore', UserWarning
            )  # warnings about pickle protocols; failures are reported below
            return torch.load(path, map_location='cpu', weights_only=True)
    except OSError as error:
        raise CheckpointError(f'cannot read {path}: {error.strerror or error}') from error
    except Exception as error:  # a damaged file can fail in any way
        asked = re.search(r'GLOBAL (\S+)', str(error))
        if asked:
            raise CheckpointError(
                f'{path} is refused: it refers to {asked[1]}, which no DiffPoseTalk checkpoint needs'
            ) from None
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise CheckpointError(f'{path} is damaged or was not written by torch.save ({reason})') from error
