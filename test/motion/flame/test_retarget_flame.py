# SPDX-License-Identifier: Apache-2.0
"""FLAME to ARKit with a synthetic linear basis: weights come back, stay bounded and smooth, however long."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from diffposetalk_ros.errors import ConfigError, MotionError
from diffposetalk_ros.motion.flame.retarget_flame import (
    FlameBasis,
    FlameToArkit,
    bounded_smooth_solve,
    load_basis,
    rig_basis,
)
from diffposetalk_ros.motion.layout import arkit_layout, flame_layout
from diffposetalk_ros.motion.motion_clip import MotionClip


def basis(seed: int = 0, landmarks: int = 40) -> tuple[FlameBasis, np.ndarray]:
    """A FLAME whose 51 coefficients are an invertible mix of 51 of the 52 shapes, and that mix."""
    rng = np.random.default_rng(seed)
    arkit = rng.normal(size=(landmarks, 3, 52))
    mix = np.linalg.qr(rng.normal(size=(51, 51)))[0]
    flame = arkit[..., :51] @ mix
    return FlameBasis(flame[..., :50], flame[..., 50], arkit), mix


def speech(frames: int = 100) -> np.ndarray:
    phase = np.linspace(0, 8 * np.pi, frames)[:, None] + np.arange(51) * 0.7
    return np.maximum(0.0, 0.5 * np.sin(phase))


def flame_clip(weights: np.ndarray, mix: np.ndarray) -> MotionClip:
    coefficients = weights @ mix  # mix is orthogonal: its inverse is its transpose
    head = np.full((len(weights), 3), [0.1, -0.2, 0.05])
    values = np.concatenate([coefficients[:, :50], head, coefficients[:, 50:]], axis=1)
    return MotionClip(values.astype(np.float32), 25.0, flame_layout())


def test_weights_behind_the_motion_are_found_again() -> None:
    flame, mix = basis()
    wanted = speech()
    clip = flame_clip(wanted, mix)
    found = FlameToArkit(flame, smooth=0.0, ridge=1e-4).convert(clip)
    assert found.layout == arkit_layout() and found.fps == 25.0
    np.testing.assert_allclose(found.values[:, :51], wanted, atol=0.01)
    np.testing.assert_allclose(found.values[:, 52:], clip.values[:, 50:53])


def test_frame_by_frame_equals_scipy_bounded_least_squares() -> None:
    rng = np.random.default_rng(1)
    matrix, targets = rng.normal(size=(60, 12)), rng.normal(size=(5, 60)) * 3
    found = bounded_smooth_solve(matrix, targets, 0.0, 0.1)
    for weights, target in zip(found, targets, strict=True):
        stacked = np.concatenate([matrix, np.sqrt(0.1) * np.eye(12)])
        wanted = lsq_linear(stacked, np.concatenate([target, np.zeros(12)]), (0, 1), tol=1e-12)
        np.testing.assert_allclose(weights, wanted.x, atol=1e-5)


def test_whole_clip_equals_the_stacked_problem() -> None:
    rng = np.random.default_rng(2)
    matrix, targets, smooth = rng.normal(size=(9, 4)), rng.normal(size=(6, 9)), 2.0
    found = bounded_smooth_solve(matrix, targets, smooth, 0.05)
    steps = np.kron(np.diff(np.eye(6), axis=0), np.eye(4)) * np.sqrt(smooth)
    stacked = np.concatenate([np.kron(np.eye(6), matrix), np.sqrt(0.05) * np.eye(24), steps])
    wanted = lsq_linear(stacked, np.concatenate([targets.ravel(), np.zeros(24 + 20)]), (0, 1), tol=1e-12)
    np.testing.assert_allclose(found.ravel(), wanted.x, atol=1e-5)


def test_bounded_and_smooth_on_noise() -> None:
    flame, mix = basis()
    rng = np.random.default_rng(3)
    noisy = flame_clip(speech() + rng.normal(0, 0.3, (100, 51)), mix)
    rough = FlameToArkit(flame, smooth=0.0).convert(noisy).values[:, :52]
    calm = FlameToArkit(flame, smooth=5.0).convert(noisy).values[:, :52]
    for weights in (rough, calm):
        assert weights.min() >= 0 and weights.max() <= 1
    assert np.abs(np.diff(calm, axis=0)).mean() < 0.5 * np.abs(np.diff(rough, axis=0)).mean()


def test_live_frames_follow_the_clip() -> None:
    flame, mix = basis()
    clip = flame_clip(speech(), mix)
    live = FlameToArkit(flame)
    rows = np.stack([live.next_frame(row) for row in clip.values])
    whole = FlameToArkit(flame).convert(clip).values[:, :52]
    assert np.abs(rows - whole).mean() < 0.02
    live.reset()
    np.testing.assert_allclose(live.next_frame(clip.values[0]), rows[0], atol=1e-6)


def test_a_long_clip_needs_no_more_iterations() -> None:
    flame, mix = basis()
    solve = FlameToArkit(flame)
    short, long = (
        solve.convert(flame_clip(np.tile(speech(), (times, 1)), mix)).values[:, :52] for times in (3, 20)
    )
    np.testing.assert_allclose(long[:200], short[:200], atol=1e-3)


def test_basis_files(tmp_path: Path) -> None:
    flame, _ = basis(landmarks=4)
    path = tmp_path / 'basis.npz'
    np.savez(path, expression=flame.expression, jaw=flame.jaw, arkit=flame.arkit)
    np.testing.assert_array_equal(load_basis(path).arkit, flame.arkit)
    from diffposetalk_ros.motion.rig.rig import load_rig

    names = sorted(load_rig().landmarks)[:4]
    np.savez(path, expression=flame.expression, jaw=flame.jaw, landmarks=np.array(names), scale=1000.0)
    np.testing.assert_allclose(load_basis(path).arkit, rig_basis(names) / 1000)
    np.savez(path, expression=flame.expression, jaw=flame.jaw, landmarks=np.array(['nowhere']), scale=1.0)
    with pytest.raises(ConfigError, match="no landmark 'nowhere'"):
        load_basis(path)
    np.savez(path, jaw=flame.jaw)
    with pytest.raises(ConfigError, match='it needs expression'):
        load_basis(path)
    path.write_bytes(b'no file')
    with pytest.raises(ConfigError, match='not a readable'):
        load_basis(path)
    with pytest.raises(ConfigError, match='expression of shape'):
        FlameBasis(flame.expression[..., :3], flame.jaw, flame.arkit)


def test_only_flame_is_converted() -> None:
    flame, _ = basis()
    with pytest.raises(MotionError, match='a FLAME clip is needed'):
        FlameToArkit(flame).convert(MotionClip(np.zeros((3, 55), np.float32), 25.0, arkit_layout()))
