# SPDX-License-Identifier: Apache-2.0
"""Reads what torch.save wrote, both container formats, without executing anything from the file.

Only tensors, plain Python values, argparse.Namespace, OrderedDict and paths are understood. Every
other name in the pickle ends the reading with a CheckpointError before it is looked up.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any

import torch
from torch import Tensor

from diffposetalk_ros.errors import CheckpointError

__all__ = ['Namespace', 'read_torch_file']

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES = {
    'FloatStorage': torch.float32,
    'DoubleStorage': torch.float64,
    'HalfStorage': torch.float16,
    'BFloat16Storage': torch.bfloat16,
    'LongStorage': torch.int64,
    'IntStorage': torch.int32,
    'ShortStorage': torch.int16,
    'CharStorage': torch.int8,
    'ByteStorage': torch.uint8,
    'BoolStorage': torch.bool,
}


class Namespace:
    """Stand-in for argparse.Namespace: attributes and nothing else."""


def read_torch_file(path: Path) -> Any:
    """The object saved in ``path``, tensors on the CPU.

    Raises CheckpointError when the file cannot be read, is damaged, or asks for anything but data.
    """
    if path.exists() and not path.is_file():
        raise CheckpointError(f'cannot read {path}: it is no file')  # a device may never end
    try:
        size = path.stat().st_size
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return _read_zip(archive, size)
        with path.open('rb') as file:
            return _read_legacy(file, size)
    except OSError as error:
        raise CheckpointError(f'cannot read {path}: {error.strerror or error}') from error
    except CheckpointError as error:
        raise CheckpointError(f'{path}: {error}') from error
    except Exception as error:  # noqa: BLE001 - a damaged pickle can fail in any way
        reason = f'{type(error).__name__}: {error}'.splitlines()[0]
        raise CheckpointError(f'{path} is damaged or was not written by torch.save ({reason})') from error


class _Unpickler(pickle.Unpickler):
    """Looks names up in a table of its own; ``storage(dtype, key, numel)`` supplies tensor data."""

    def __init__(self, file: IO[bytes], storage: Callable[[torch.dtype, str, int], Tensor]) -> None:
        super().__init__(file, encoding='utf-8')
        self._storage = storage
        # Made anew for each file: a pickle can set attributes on the objects it is given.
        namespace = type('Namespace', (Namespace,), {})
        self._names: dict[tuple[str, str], Any] = {
            ('argparse', 'Namespace'): namespace,
            ('collections', 'OrderedDict'): OrderedDict,
            ('torch._utils', '_rebuild_tensor'): lambda *args: _rebuild(*args[:4]),
            ('torch._utils', '_rebuild_tensor_v2'): lambda *args: _rebuild(*args[:4]),
            ('torch._utils', '_rebuild_parameter'): lambda data, *_: _tensor(data),
        }
        for module in ('pathlib', 'pathlib._local'):
            for name in ('PosixPath', 'PurePosixPath', 'Path', 'PurePath'):
                self._names[module, name] = lambda *parts: PurePosixPath(*parts)
            for name in ('WindowsPath', 'PureWindowsPath'):
                self._names[module, name] = lambda *parts: PureWindowsPath(*parts)

    def find_class(self, module: str, name: str) -> Any:
        if module in ('torch', 'torch.storage') and name in _DTYPES:
            return _DTYPES[name]
        try:
            return self._names[module, name]
        except KeyError:
            raise CheckpointError(
                f'refused: the file asks for {module}.{name}, which no DiffPoseTalk checkpoint needs'
            ) from None

    def persistent_load(self, pid: Any) -> Tensor:
        if not (isinstance(pid, tuple) and len(pid) >= 5 and pid[0] == 'storage'):
            raise CheckpointError(f'unknown persistent object {str(pid)[:60]}')
        _, dtype, key, _, numel = pid[:5]
        if not isinstance(dtype, torch.dtype) or not isinstance(numel, int) or numel < 0:
            raise CheckpointError('malformed tensor storage')
        base = self._storage(dtype, str(key), numel)
        if len(pid) > 5 and pid[5] is not None:
            _, offset, length = pid[5]
            return base[offset : offset + length]
        return base


def _tensor(value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        raise CheckpointError('malformed parameter')
    return value


def _rebuild(storage: Any, offset: Any, size: Any, stride: Any) -> Tensor:
    base = _tensor(storage)
    count = 1
    for extent in size:
        count *= extent
    if base.ndim != 1 or count > base.numel():
        raise CheckpointError(f'a tensor of shape {tuple(size)} is larger than its storage')
    return base.as_strided(tuple(size), tuple(stride), base.storage_offset() + offset)


def _read_zip(archive: zipfile.ZipFile, size: int) -> Any:
    names = archive.namelist()
    pickles = [name for name in names if name.count('/') == 1 and name.endswith('/data.pkl')]
    if len(pickles) != 1:
        raise CheckpointError('a zip file, but not one of torch.save')
    prefix = pickles[0].removesuffix('data.pkl')
    if prefix + 'byteorder' in names and archive.read(prefix + 'byteorder') != b'little':
        raise CheckpointError('big-endian checkpoints are not supported')
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        raise CheckpointError('a re-compressed archive; use the file as torch.save wrote it')
    loaded: dict[str, Tensor] = {}

    def storage(dtype: torch.dtype, key: str, numel: int) -> Tensor:
        if key not in loaded:
            wanted = numel * dtype.itemsize
            if archive.getinfo(f'{prefix}data/{key}').file_size != wanted or wanted > size:
                raise CheckpointError(f'storage {key} does not have its {wanted} bytes')
            loaded[key] = torch.empty(numel, dtype=dtype)
            _fill(loaded[key], archive.read(f'{prefix}data/{key}'))
        return loaded[key]

    with archive.open(pickles[0]) as file:
        return _Unpickler(file, storage).load()


def _read_legacy(file: IO[bytes], size: int) -> Any:
    loaded: dict[str, Tensor] = {}
    left = size

    def storage(dtype: torch.dtype, key: str, numel: int) -> Tensor:
        nonlocal left
        if key not in loaded:
            left -= numel * dtype.itemsize
            if left < 0:
                raise CheckpointError('the file is shorter than the tensors it announces')
            loaded[key] = torch.empty(numel, dtype=dtype)
        return loaded[key]

    def item() -> Any:
        return _Unpickler(file, storage).load()

    if item() != _LEGACY_MAGIC:
        raise CheckpointError('not a file of torch.save')
    if item() != 1001:
        raise CheckpointError('an unknown version of the legacy format')
    if item().get('little_endian') is not True:
        raise CheckpointError('big-endian checkpoints are not supported')
    result = item()
    for key in item():
        target = loaded[str(key)]
        (numel,) = struct.unpack('<q', file.read(8))
        if numel != target.numel():
            raise CheckpointError(f'storage {key} has {numel} elements, not {target.numel()}')
        _fill(target, file.read(numel * target.element_size()))
    return result


def _fill(target: Tensor, data: bytes) -> None:
    if len(data) != target.numel() * target.element_size():
        raise CheckpointError('the file ends too early')
    if data:
        target.view(torch.uint8).copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
