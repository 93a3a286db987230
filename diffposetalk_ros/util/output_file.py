# SPDX-License-Identifier: Apache-2.0
"""Check output paths before anything is computed, and handle a standard output that was closed."""

from __future__ import annotations

import errno
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from diffposetalk_ros.errors import ConfigError, MotionError, reason_of

__all__ = [
    'cannot_write',
    'check_not_input',
    'check_output',
    'check_output_folder',
    'destination',
    'drop_stdout',
    'escape_stdout',
    'flush_stdout',
    'ordinary_rights',
    'part_of',
    'whole_file',
    'write_atomically',
]


def check_output(path: Path, suffixes: Sequence[str]) -> None:
    """Raise ConfigError if a file of that name cannot be created.

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
    try:
        there = destination(path)
    except OSError as error:
        raise ConfigError(f'{path} cannot be written ({error.strerror}); name another file') from None
    if not there.parent.is_dir():
        raise ConfigError(f'{path}: there is no folder {there.parent}; make it first')
    _try(there.parent, path)


def cannot_write(path: Path, error: Exception) -> str:
    """A line that says why ``path`` could not be written, and what to do."""
    reason = getattr(error, 'strerror', None) or reason_of(error)
    full = getattr(error, 'errno', None) in (errno.ENOSPC, errno.EDQUOT)
    advice = 'free space there' if full else 'check the folder and its permissions'
    return f'{path}: cannot be written ({reason}); {advice}'


def check_not_input(path: Path, inputs: Iterable[str | Path | None]) -> None:
    """Raise ConfigError if ``path`` is one of the input files, under any name. Writing it would destroy the input."""
    for given in inputs:
        try:
            same = given is not None and path.samefile(given)
        except (OSError, ValueError):  # either of them does not exist
            continue
        if same:
            raise ConfigError(f'{path} is an input file, which would be lost; name another file to write')


def check_output_folder(path: Path) -> None:
    """Raise ConfigError if a folder cannot be created or written; its parents may be missing."""
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


def destination(path: Path) -> Path:
    """The file to write for ``path``: where a link leads, which need not exist. Raises OSError if it is no file."""
    there = Path(os.path.realpath(path)) if path.is_symlink() else path
    if there.is_symlink() or there.exists() and not there.is_file():
        raise OSError(errno.EINVAL, 'it is a pipe, a device, a folder or a loop of links', str(path))
    return there


def part_of(path: Path) -> Path:
    """A new empty file beside ``path``, to be written and then renamed to it; the caller removes it if that fails.

    Its name is unpredictable, so no link can be placed there. It has the mode of ``path``, or that of a new file.
    """
    handle, name = tempfile.mkstemp('.part', f'.{path.name[:40]}.', path.parent)
    try:
        os.fchmod(handle, _mode_of(path))
    finally:
        os.close(handle)
    return Path(name)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A new file to write in the block, which becomes ``path`` at its end; nothing is left if the block fails.

    If ``path`` is a link, it becomes the file to which the link leads.
    """
    there = destination(path)
    part = part_of(there)
    try:
        yield part
        part.replace(there)
    finally:
        part.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Write bytes to a file that appears whole or not at all. Raises MotionError when it cannot."""
    try:
        with whole_file(path) as part, part.open('wb') as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise MotionError(cannot_write(path, error)) from None


def _mode_of(path: Path) -> int:
    try:
        status = path.lstat()
    except OSError:
        return _new_file_mode()
    return stat.S_IMODE(status.st_mode) & 0o777 if stat.S_ISREG(status.st_mode) else _new_file_mode()


def _new_file_mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _try(folder: Path, path: Path) -> None:
    # Trying is better than reading permission bits, because the file system knows read-only mounts and quotas.
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ConfigError(f'{path} cannot be written ({error.strerror}); choose a writable folder') from None


def ordinary_rights(path: Path) -> None:
    """Give a file the permissions of a new file; safetensors creates files that only the owner can read."""
    path.chmod(_new_file_mode())


def escape_stdout() -> None:
    """Print characters that the terminal's encoding lacks, such as in a file name, with a backslash: do not fail."""
    if getattr(sys.stdout, 'errors', None) == 'strict' and hasattr(sys.stdout, 'reconfigure'):
        sys.stdout.reconfigure(errors='backslashreplace')


def flush_stdout() -> None:
    """Flush standard output now; at exit, a reader that is gone (| head) would cause a traceback."""
    if sys.stdout is not None:
        sys.stdout.flush()


def drop_stdout() -> int:
    """Discard further output after BrokenPipeError; returns the exit status that shells use."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return 141
