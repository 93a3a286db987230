# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffposetalk_ros.util.numpy_pickle import ForeignPickleError, load_numbers


@pytest.mark.parametrize('protocol', range(6))
def test_numbers_come_back(protocol: int) -> None:
    saved = {
        'audio': b'fLaC\x00\xff', 'n_frames': 210, 'text': 'é', 'pair': (1, [2.5, None, True]),
        'array': np.arange(6, dtype=np.float32).reshape(2, 3), 'empty': np.zeros((0, 50)),
        'fortran': np.asfortranarray(np.arange(6.0).reshape(2, 3)), 'scalar': np.float64(2.5),
        'half': np.arange(3, dtype=np.float16), 'flags': np.array([True, False]),
    }  # fmt: skip
    read = load_numbers(pickle.dumps(saved, protocol))
    for name, value in saved.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(read[name], value)
        else:
            assert read[name] == value
        assert type(read[name]) is type(value)


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f'touch {self.path}',)


@pytest.mark.parametrize('protocol', range(6))
def test_nothing_is_executed(tmp_path: Path, protocol: int) -> None:
    data = pickle.dumps({'coef': Hostile(tmp_path / 'trap')}, protocol)
    with pytest.raises(ForeignPickleError, match='refused'):
        load_numbers(data)
    assert not (tmp_path / 'trap').exists()


@pytest.mark.parametrize('name', ['eval', 'getattr', 'exec', '__import__'])
@pytest.mark.parametrize('module', ['builtins', '__builtin__'])
def test_builtins_are_refused(module: str, name: str) -> None:
    with pytest.raises(ForeignPickleError, match='refused'):
        load_numbers(f'c{module}\n{name}\n.'.encode())


@pytest.mark.parametrize('value', [np.array([{}], object), np.zeros(2, 'M8[s]')])
def test_arrays_of_anything_else_are_refused(value: np.ndarray) -> None:
    with pytest.raises(ForeignPickleError):
        load_numbers(pickle.dumps(value))


def test_damaged_pickles_are_named() -> None:
    whole = pickle.dumps({'coef': np.zeros(100)})
    for cut in range(0, len(whole), 7):
        with pytest.raises(ForeignPickleError):
            load_numbers(whole[:cut])
