# SPDX-License-Identifier: Apache-2.0
"""Reads pickles of numbers without executing anything from them.

The official data set and FLAME's model file are pickles. Only plain Python values, NumPy arrays and
scalars, sparse matrices and chumpy's wrapper around an array are supported. Any other name stops the
reading before it is looked up.
"""

from __future__ import annotations

import codecs
import io
import pickle
from collections import OrderedDict
from typing import IO, Any

import numpy as np

from diffposetalk_ros.errors import DiffPoseTalkError

__all__ = ['ForeignPickleError', 'SparseMatrix', 'Wrapped', 'load_numbers']

_KINDS = 'biufSU?'


class ForeignPickleError(DiffPoseTalkError):
    """The pickle is damaged or requests anything but numbers."""


class _Held:
    """A stand-in for an object of another library; it holds only the state."""

    state: dict[str, Any]

    def __init__(self, *_: Any) -> None:
        self.state = {}

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) == 2:
            state = {**(state[0] or {}), **(state[1] or {})}
        if not isinstance(state, dict):
            raise ForeignPickleError('an object of unknown form')
        self.state = state


class Wrapped(_Held):
    """chumpy's array; ``state['x']`` holds the numbers."""


class SparseMatrix(_Held):
    """SciPy's compressed sparse matrix: state with data, indices, indptr and _shape."""


def _dtype(*args: Any) -> np.dtype[Any]:
    kind: np.dtype[Any] = np.dtype(args[0])
    if kind.kind not in _KINDS or kind.hasobject:
        raise ForeignPickleError(f'an array of type {kind}')
    return kind


_reconstruct: Any = np.zeros(1).__reduce__()[0]
_scalar: Any = np.float32(1).__reduce__()[0]


def _array(kind: Any, shape: Any, code: Any) -> Any:
    return _reconstruct(np.ndarray, (0,), b'b')


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any) -> Any:
    return np.frombuffer(data, _dtype(dtype)).reshape(shape, order=order)


def _number(dtype: Any, data: Any) -> Any:
    return _scalar(_dtype(dtype), data)


def _encode(text: Any, encoding: Any = 'latin1') -> bytes:
    if encoding != 'latin1':
        raise ForeignPickleError(f'text in {encoding}')
    return codecs.encode(text, 'latin1')


def _no_bytes() -> bytes:
    return b''


def _new(kind: Any, *_: Any) -> Any:
    if not (isinstance(kind, type) and issubclass(kind, _Held)):
        raise ForeignPickleError('an object of unknown type')
    return kind()


_NAMES: dict[tuple[str, str], Any] = {
    ('numpy', 'ndarray'): np.ndarray,
    ('numpy', 'dtype'): _dtype,
    ('collections', 'OrderedDict'): OrderedDict,
    ('_codecs', 'encode'): _encode,
    ('__builtin__', 'bytes'): _no_bytes,
    ('copy_reg', '_reconstructor'): _new,
    ('copyreg', '_reconstructor'): _new,
    ('__builtin__', 'object'): object,
    ('builtins', 'object'): object,
    ('chumpy.ch', 'Ch'): Wrapped,
    ('chumpy', 'Ch'): Wrapped,
}
for _module in ('numpy.core', 'numpy._core'):
    _NAMES[f'{_module}.multiarray', '_reconstruct'] = _array
    _NAMES[f'{_module}.multiarray', 'scalar'] = _number
    _NAMES[f'{_module}.numeric', '_frombuffer'] = _frombuffer
for _module in ('scipy.sparse.csc', 'scipy.sparse._csc', 'scipy.sparse.csr', 'scipy.sparse._csr'):
    for _name in ('csc_matrix', 'csr_matrix', 'csc_array', 'csr_array'):
        _NAMES[_module, _name] = type(_name, (SparseMatrix,), {})


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _NAMES[module, name]
        except KeyError:
            raise ForeignPickleError(
                f'refused: it refers to {module}.{name}, which is not a number'
            ) from None


def load_numbers(source: bytes | IO[bytes]) -> Any:
    """The object pickled in ``source``. Raises ForeignPickleError for anything but numbers."""
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        # FLAME's file was written by Python 2; this decodes its byte strings as text.
        return _Unpickler(stream, encoding='latin1').load()
    except ForeignPickleError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged pickle can fail in any way
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())[:120]
        raise ForeignPickleError(f'not a readable pickle ({reason})') from error
