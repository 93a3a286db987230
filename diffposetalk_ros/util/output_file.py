# SPDX-License-Identifier: Apache-2.0
"""Is this a place to write to? Asked before anything is computed. And what to do where stdout is none any more."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from diffposetalk_ros.errors import ConfigError

__all__ = ['check_output', 'check_output_folder', 'drop_stdout', 'flush_stdout', 'ordinary_rights', 'part_of']


def check_output(path: Path, suffixes: Sequence[str]) -> None:
    """Raise ConfigError where a file of that name cannot come to be.

    ``suffixes`` are those the caller writes ('.npz'), compared without case. Leaves nothing behind.
    """
    try:
        folder = path.is_dir()
    except OSError as error:  # a name that is too long, a folder that may not be searched
        raise ConfigError(f'{path} cannot be written ({error.strerror}); name another file') from None
    if folder:
        raise ConfigError(f'{path} is a folder; name a file that ends in {" or ".join(suffixes)}')
    if path.suffix.lower() not in suffixes:
        raise ConfigError(f'{path}: suffix {path.suffix!r}; use {", ".join(suffixes)}')
    if not path.parent.is_dir():
        raise ConfigError(f'{path}: there is no folder {path.parent}; make it first')
    _try(path.parent, path)


def check_output_folder(path: Path) -> None:
    """Raise ConfigError where a folder cannot be made or written in; missing parents are allowed."""
    try:
        taken = path.exists() and not path.is_dir()
    except OSError as error:
        raise ConfigError(f'{path} cannot be made ({error.strerror}); name another folder') from None
    if taken:
        raise ConfigError(f'{path} is a file; name a folder')
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    _try(there, path)


def part_of(path: Path) -> Path:
    """Where to write what takes the name ``path`` when it is whole; no longer than that name need be."""
    return path.with_name(f'.{path.name[:40]}.{os.getpid()}.part')


def _try(folder: Path, path: Path) -> None:
    # Asking the file system beats reading permission bits: it knows read-only mounts and quotas.
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ConfigError(
            f'{path} cannot be written ({error.strerror}); choose a folder you may write in'
        ) from None


def ordinary_rights(path: Path) -> None:
    """Give a file the rights a new file gets; safetensors makes files only their owner can read."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def flush_stdout() -> None:
    """Write what is printed now: at exit a reader that is gone (| head) would cost a traceback."""
    if sys.stdout is not None:
        sys.stdout.flush()


def drop_stdout() -> int:
    """After BrokenPipeError: what is still to be printed goes nowhere. Returns the exit status, the shell's."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return 141
