# SPDX-License-Identifier: Apache-2.0
"""Distances on a face do not depend on where it is, how large it is and how the head is turned."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diffposetalk_ros.tracking.landmarks import FEATURES, face_features, frontal


def _face() -> np.ndarray:
    """478 points with a mouth, eyes and brows where the features look for them; eyes 1 apart."""
    points = np.random.default_rng(0).normal(scale=0.2, size=(478, 3))
    points[[263, 33]] = [(0.5, 0, 0), (-0.5, 0, 0)]
    points[[362, 133]] = [(0.2, 0, 0.05), (-0.2, 0, 0.05)]
    points[[13, 14]] = [(0, -0.75, 0.2), (0, -0.85, 0.2)]
    points[[291, 61]] = [(0.3, -0.8, 0.1), (-0.3, -0.8, 0.1)]
    for upper, lower in ((386, 374), (385, 380), (387, 373), (159, 145), (158, 153), (160, 144)):
        points[upper], points[lower] = (0, 0.05, 0), (0, -0.04, 0)
    return points


def test_the_features_are_the_distances_they_are_named_after() -> None:
    features = dict(zip(FEATURES, face_features(_face()), strict=True))
    assert features['lip_inner'] == pytest.approx(0.10)
    assert features['mouth_width'] == pytest.approx(0.6)
    assert features['corner_lift'] == pytest.approx(0.0, abs=1e-12)
    assert features['mouth_x'] == pytest.approx(0.0, abs=1e-12)
    assert features['eye_left'] == pytest.approx(0.09 / np.hypot(0.3, 0.05))


@pytest.mark.parametrize('degrees', [(0, 0, 0), (20, -30, 10), (-15, 40, -25)])
def test_turning_moving_and_scaling_the_head_changes_no_feature(degrees: tuple[float, ...]) -> None:
    face, size = _face(), (640, 480)
    rotation = Rotation.from_euler('XYZ', degrees, degrees=True).as_matrix()
    pixels = 90.0 * face @ rotation.T + (300, -200, 0)
    landmarks = pixels / (size[0], -size[1], -size[0])
    seen = face_features(frontal(landmarks, rotation, size))
    assert seen == pytest.approx(face_features(face), abs=1e-9)
