# SPDX-License-Identifier: Apache-2.0
"""FLAME's model file: a small one of the same form, chumpy's and SciPy's objects included."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from flame_files import arrays, write_flame  # noqa: E402

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.flame.flame_model import load_flame_model
from diffposetalk_ros.motion.layout import flame_layout
from diffposetalk_ros.motion.motion_clip import MotionClip


def test_published_form_without_chumpy(tmp_path: Path) -> None:
    model = load_flame_model(write_flame(tmp_path / 'generic_model.pkl'))
    plain = arrays()
    np.testing.assert_allclose(model.v_template, plain['v_template'], rtol=1e-6)
    columns = [*range(100), *range(300, 350)]
    np.testing.assert_allclose(model.shapedirs, plain['shapedirs'][:, :, columns], rtol=1e-6)
    np.testing.assert_allclose(model.J_regressor, plain['J_regressor'])
    assert model.parents.tolist() == [-1, 0, 1, 1, 1]
    assert load_flame_model(tmp_path).faces.shape == (20, 3)
    np.savez(tmp_path / 'flame.npz', **plain)
    np.testing.assert_array_equal(load_flame_model(tmp_path / 'flame.npz').shapedirs, model.shapedirs)


def test_other_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / 'generic_model.pkl'
    with pytest.raises(MotionError, match='generic_model'):
        load_flame_model(tmp_path)
    for content, word in ((b'', 'not a FLAME model'), (pickle.dumps({'a': 1}), 'v_template')):
        path.write_bytes(content)
        with pytest.raises(MotionError, match=word):
            load_flame_model(path)
    path.write_bytes(b'cos\nsystem\n(S"true"\ntR.')
    with pytest.raises(MotionError, match='refused'):
        load_flame_model(path)
    with pytest.raises(MotionError, match='cannot read'):
        load_flame_model(tmp_path / 'gone.pkl')


def test_vertices(tmp_path: Path) -> None:
    pytest.importorskip('smplx')
    from diffposetalk_ros.model.torch_flame import write_vertices

    rng = np.random.default_rng(1)
    values = np.zeros((600, 54), np.float32)
    values[:, :50] = rng.normal(size=(600, 50))
    shape = rng.normal(size=100).astype(np.float32)
    model = load_flame_model(write_flame(tmp_path / 'generic_model.pkl'))
    meta = {'shape': shape.tolist()}
    write_vertices(tmp_path / 'v.npz', MotionClip(values, 25.0, flame_layout(), meta), model)
    with np.load(tmp_path / 'v.npz') as file:
        assert set(file.files) == {'vertices', 'faces', 'fps'} and file['fps'] == 25.0
        flat = file['vertices']
    blend = arrays()['shapedirs']
    expected = (
        arrays()['v_template']
        + blend[..., :100] @ shape
        + np.einsum('vck,tk->tvc', blend[..., 300:350], values[:, :50])
    )
    np.testing.assert_allclose(flat, expected, atol=1e-5)

    # The head's rotation moves the face as a rigid body; the jaw does not.
    values[:, 50:53] = (0.1, 0.3, -0.2)
    write_vertices(tmp_path / 'v.npz', MotionClip(values, 25.0, flame_layout(), meta), model)
    turned = np.load(tmp_path / 'v.npz')['vertices']
    lengths = [np.linalg.norm(v[:, 0] - v[:, 9], axis=-1) for v in (flat, turned)]
    np.testing.assert_allclose(*lengths, atol=1e-5)
    assert np.abs(turned - flat).max() > 0.01
    assert sorted(p.name for p in tmp_path.iterdir()) == ['generic_model.pkl', 'v.npz']
