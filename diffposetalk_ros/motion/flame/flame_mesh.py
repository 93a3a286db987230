# SPDX-License-Identifier: Apache-2.0
"""Vertices of FLAME frame by frame, with NumPy only, for live display."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.flame.flame_model import FlameModel
from diffposetalk_ros.motion.rotation import vector_to_matrix

__all__ = ['FlameMesh']

Floats = NDArray[np.float32]

_JAW = 2


class FlameMesh:
    """One person's head: ``shape`` (100,) identity coefficients, default the mean face."""

    def __init__(self, model: FlameModel, shape: ArrayLike | None = None) -> None:
        identity = np.zeros(100) if shape is None else np.asarray(shape, np.float64)
        self._model = model
        self._person = model.v_template + model.shapedirs[:, :, :100] @ identity.astype(np.float32)
        self._expression = model.shapedirs[:, :, 100:]
        self.faces = model.faces

    def points(self, row: ArrayLike) -> Floats:
        """Vertices (V, 3) in metres, FLAME's axes, of a row of FLAME motion (54,), or (51,) without head.

        Linear blend skinning with pose correctives (docs/method.md, 6.3); neck and eyes at rest. Raises MotionError
        for another width.
        """
        values = np.asarray(row, np.float32)
        if values.shape not in ((51,), (54,)):
            raise MotionError(f'a row of shape {values.shape} is not FLAME motion (54,) or (51,)')
        model = self._model
        vectors = np.zeros((5, 3))
        vectors[0] = values[50:53] if len(values) == 54 else 0.0
        vectors[_JAW, 0] = values[-1]
        turns = vector_to_matrix(vectors).astype(np.float32)
        still = self._person + self._expression @ values[:50]
        joints = model.J_regressor @ still
        correctives = (turns[1:] - np.eye(3, dtype=np.float32)).reshape(-1)
        bent = still + (correctives @ model.posedirs).reshape(-1, 3)

        rotation, place = [turns[0]], [joints[0]]
        for joint in range(1, 5):
            parent = int(model.parents[joint])
            rotation.append(rotation[parent] @ turns[joint])
            place.append(rotation[parent] @ (joints[joint] - joints[parent]) + place[parent])
        moved = [(bent - j) @ r.T + p for r, p, j in zip(rotation, place, joints, strict=True)]
        return np.asarray(np.einsum('vj,jvk->vk', model.lbs_weights, np.stack(moved)), np.float32)
