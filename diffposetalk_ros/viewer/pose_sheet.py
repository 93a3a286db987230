# SPDX-License-Identifier: Apache-2.0
"""One picture of every head: from several sides, with sounds of speech and with plain expressions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES
from diffposetalk_ros.motion.rig import FACES, load_rig
from diffposetalk_ros.viewer.render import contact_sheet
from diffposetalk_ros.viewer.render_scene import Image, Scene

__all__ = ['POSES', 'VIEWS', 'pose_sheet', 'pose_weights']

Floats = NDArray[np.float32]

VIEWS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {'front': (0, 0), '35°': (35, 0), '60°': (60, 0), 'from below': (20, -22)}
)
"""Side from which the neutral head is seen: how far it is turned to its left and tipped back, in degrees."""

POSES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        'blink': {'eyeBlink': 1.0},
        'AA': {'jawOpen': 0.55, 'mouthLowerDown': 0.25, 'mouthUpperUp': 0.15},
        'OO': {'jawOpen': 0.18, 'mouthPucker': 0.75, 'mouthFunnel': 0.25},
        'EE': {'jawOpen': 0.08, 'mouthStretch': 0.3, 'mouthSmile': 0.3, 'mouthLowerDown': 0.35, 'mouthUpperUp': 0.3},
        'F': {'jawOpen': 0.07, 'mouthRollLower': 0.85, 'mouthUpperUp': 0.35},
        'M': {'jawOpen': 0.05, 'mouthClose': 0.05, 'mouthPress': 0.4, 'mouthRollLower': 0.2, 'mouthRollUpper': 0.2},
        'smile': {'mouthSmile': 0.85, 'cheekSquint': 0.6, 'eyeSquint': 0.3},
        'sad': {'mouthFrown': 0.7, 'browInnerUp': 0.9, 'eyeBlink': 0.15, 'eyeLookDown': 0.3, 'mouthShrugLower': 0.3},
        'surprised': {'jawOpen': 0.45, 'eyeWide': 0.9, 'browInnerUp': 0.9, 'browOuterUp': 0.9},
        'angry': {'browDown': 1.0, 'eyeSquint': 0.4, 'noseSneer': 0.6, 'mouthPress': 0.6, 'mouthFrown': 0.3},
    }
)  # fmt: skip
"""Channels of each pose; a name without Left or Right stands for both sides."""


def pose_weights(pose: Mapping[str, float]) -> Floats:
    """ARKit weights (1, 52) of a pose. Raises KeyError for a name that is not a channel."""
    weights = np.zeros((1, 52), np.float32)
    for name, value in pose.items():
        chosen = [
            i for i, full in enumerate(ARKIT_BLENDSHAPES) if full in (name, f'{name}Left', f'{name}Right')
        ]
        if not chosen:
            raise KeyError(name)
        weights[0, chosen] = value
    return weights


def pose_sheet(cell: int = 200, columns: int = 7) -> Image:
    """Sheet of every view and pose of every face, in squares of ``cell`` pixels."""
    images, labels = [], []
    for face in FACES:
        rig = load_rig(face)
        scene = Scene(rig, (cell, cell))
        for name, (yaw, pitch) in VIEWS.items():
            images.append(scene.draw(_turned(rig.vertices(pose_weights({}))[0], yaw, pitch)))
            labels.append(f'{face}, {name}')
        for name, pose in POSES.items():
            images.append(scene.draw(rig.vertices(pose_weights(pose))[0]))
            labels.append(name)
    return contact_sheet(images, labels, columns)


def _turned(points: Floats, yaw: float, pitch: float) -> Floats:
    """The whole bust (V, 3), shoulders included, turned about the middle of the head."""
    (a, b), centre = np.radians([yaw, pitch]), np.array([0, -20, 0])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return np.asarray((points - centre) @ (about_x @ about_y).T + centre, np.float32)
