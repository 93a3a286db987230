# SPDX-License-Identifier: Apache-2.0
"""A small file of the form of FLAME's model file."""

from __future__ import annotations

import pickle
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csc_matrix

VERTICES = 30


def arrays() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    weights = rng.random((VERTICES, 5))
    parents = np.array([2**32 - 1, 0, 1, 1, 1], np.uint32)
    regressor = np.zeros((5, VERTICES))
    regressor[np.arange(5), np.arange(5)] = 1.0
    return {
        'v_template': rng.normal(size=(VERTICES, 3)) * 0.1,
        'f': rng.integers(0, VERTICES, (20, 3)).astype(np.uint32),
        'shapedirs': rng.normal(size=(VERTICES, 3, 400)) * 0.01,
        'posedirs': rng.normal(size=(VERTICES, 3, 36)) * 0.01,
        'J_regressor': regressor,
        'kintree_table': np.stack([parents, np.arange(5, dtype=np.uint32)]),
        'weights': weights / weights.sum(1, keepdims=True),
    }


def write_flame(path: Path) -> Path:
    """The published form: Python 2 protocol, chumpy around the shape directions, a sparse regressor."""
    chumpy, module = types.ModuleType('chumpy'), types.ModuleType('chumpy.ch')

    class Ch:
        def __init__(self, x: np.ndarray) -> None:
            self.x = x

    Ch.__module__, Ch.__qualname__ = 'chumpy.ch', 'Ch'
    module.Ch = Ch  # type: ignore[attr-defined]
    sys.modules |= {'chumpy': chumpy, 'chumpy.ch': module}
    try:
        content = arrays()
        content['shapedirs'] = Ch(content['shapedirs'])
        content['J_regressor'] = csc_matrix(content['J_regressor'])
        path.write_bytes(pickle.dumps(content | {'bs_style': 'lbs'}, 2))
    finally:
        del sys.modules['chumpy'], sys.modules['chumpy.ch']
    return path
