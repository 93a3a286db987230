# SPDX-License-Identifier: Apache-2.0
"""FLAME's skinning with NumPy equals that of smplx, on a small model of the published form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flame_files import VERTICES, arrays, write_flame  # noqa: E402

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.flame.flame_mesh import FlameMesh
from diffposetalk_ros.motion.flame.flame_model import load_flame_model


def test_mean_face_at_rest_is_the_template(tmp_path: Path) -> None:
    model = load_flame_model(write_flame(tmp_path / 'generic_model.pkl'))
    mesh = FlameMesh(model)
    assert mesh.faces.shape == (20, 3)
    np.testing.assert_allclose(mesh.points(np.zeros(54)), arrays()['v_template'], atol=1e-6)
    np.testing.assert_allclose(mesh.points(np.zeros(51)), arrays()['v_template'], atol=1e-6)
    assert mesh.points(np.zeros(54)).shape == (VERTICES, 3)
    with pytest.raises(MotionError, match='55'):
        mesh.points(np.zeros(55))


def test_it_moves_as_smplx_moves_it(tmp_path: Path) -> None:
    pytest.importorskip('smplx')
    torch = pytest.importorskip('torch')
    from diffposetalk_ros.model.torch_flame import FlameVertices

    model = load_flame_model(write_flame(tmp_path / 'generic_model.pkl'))
    rng = np.random.default_rng(2)
    shape = rng.normal(size=100).astype(np.float32)
    row = rng.normal(size=54).astype(np.float32)
    row[50:] *= 0.4
    pose = np.array([*row[50:54], 0.0, 0.0], np.float32)
    inputs = (torch.from_numpy(array[None]) for array in (shape, row[:50], pose))
    expected = FlameVertices(model)(*inputs)[0].numpy()
    np.testing.assert_allclose(FlameMesh(model, shape).points(row), expected, atol=1e-5)
