# SPDX-License-Identifier: Apache-2.0
"""The model file of FLAME, which the user supplies: arrays of the mesh and its deformations.

The licence of FLAME forbids passing it on; register at https://flame.is.tue.mpg.de for generic_model.pkl.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import MotionError, reason_of
from diffposetalk_ros.util.numpy_pickle import ForeignPickleError, SparseMatrix, Wrapped, load_numbers

__all__ = ['FlameModel', 'load_flame_model']

_IDENTITY, _FIRST_EXPRESSION, _EXPRESSION = 100, 300, 50


@dataclass(frozen=True)
class FlameModel:
    """Arrays of FLAME under smplx's names, in float32 and metres (docs/method.md, 6.3).

    Args:
        v_template: vertices of the mean face (V, 3).
        faces: triangles (F, 3).
        shapedirs: directions (V, 3, 150) of identity (100) and expression (50).
        posedirs: pose correctives (36, 3 V).
        J_regressor: joints from vertices (5, V).
        parents: of the joints (5,), -1 for the root.
        lbs_weights: of linear blend skinning (V, 5).
    """

    v_template: NDArray[np.float32]
    faces: NDArray[np.int64]
    shapedirs: NDArray[np.float32]
    posedirs: NDArray[np.float32]
    J_regressor: NDArray[np.float32]
    parents: NDArray[np.int64]
    lbs_weights: NDArray[np.float32]


def load_flame_model(path: Path) -> FlameModel:
    """Read FLAME 2020's generic_model.pkl, or an .npz of the same arrays; nothing in it is executed.

    A folder is searched for generic_model.pkl and FLAME_NEUTRAL.pkl. chumpy is not needed. Raises
    MotionError for anything else.
    """
    if path.is_dir():
        names = ('generic_model.pkl', 'FLAME_NEUTRAL.pkl', 'FLAME_NEUTRAL.npz')
        found = [path / name for name in names if (path / name).is_file()]
        if not found:
            raise MotionError(f'no {" or ".join(names)} in {path}; download FLAME 2020 and name its file')
        path = found[0]
    try:
        if path.suffix == '.npz':
            with np.load(path, allow_pickle=False) as file:
                content: Any = {name: file[name] for name in file.files}
        else:
            with path.open('rb') as stream:
                content = load_numbers(stream)
    except OSError as error:
        raise MotionError(f'cannot read the FLAME model {path}: {error.strerror or error}') from None
    except (ValueError, EOFError, RuntimeError, BadZipFile, ForeignPickleError) as error:
        raise MotionError(f'{path} is not a FLAME model: {reason_of(error)}') from None
    try:
        return _arrange(content)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise MotionError(f'{path} is not a FLAME 2020 model: {type(error).__name__} {error}') from None


def _arrange(content: dict[str, Any]) -> FlameModel:
    template = _dense(content['v_template'])
    vertices = len(template)
    shapes = _dense(content['shapedirs'])
    if shapes.ndim != 3 or shapes.shape[:2] != (vertices, 3) or shapes.shape[2] < 350:
        raise ValueError(f'shapedirs of shape {shapes.shape}, not ({vertices}, 3, 400)')
    columns = [*range(_IDENTITY), *range(_FIRST_EXPRESSION, _FIRST_EXPRESSION + _EXPRESSION)]
    parents = np.asarray(content['kintree_table'])[0].astype(np.int64)
    parents[0] = -1
    return FlameModel(
        template,
        np.asarray(_plain(content['f']), np.int64),
        np.ascontiguousarray(shapes[:, :, columns]),
        np.ascontiguousarray(_dense(content['posedirs']).reshape(3 * vertices, -1).T),
        _dense(content['J_regressor']),
        parents,
        _dense(content['weights']),
    )


def _plain(value: Any) -> Any:
    return _plain(value.state['x']) if isinstance(value, Wrapped) else value


def _dense(value: Any) -> NDArray[np.float32]:
    value = _plain(value)
    if isinstance(value, SparseMatrix):
        from scipy.sparse import csc_matrix, csr_matrix

        state = value.state
        make = csc_matrix if type(value).__name__.startswith('csc') else csr_matrix
        shape = state.get('_shape', state.get('shape'))
        value = make((state['data'], state['indices'], state['indptr']), shape=shape).toarray()
    return np.asarray(value, np.float32)
