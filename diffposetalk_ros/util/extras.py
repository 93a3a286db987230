# SPDX-License-Identifier: Apache-2.0
"""Packages that only some uses need, and the pip extra of `setup.py` that brings each."""

from __future__ import annotations

__all__ = ['EXTRAS', 'install_hint']

EXTRAS = {
    'onnxruntime': 'onnx',
    'av': 'render',
    'matplotlib': 'render',
    'PIL': 'render',
    'torch': 'torch',
    'transformers': 'torch',
    'accelerate': 'train',
    'hibari': 'train',
    'lmdb': 'train',
    'onnx': 'train',
    'pocketsphinx': 'train',
    'pyworld': 'train',
    'tensorboard': 'train',
    'smplx': 'flame',
    'mcap': 'mcap',
    'mcap_ros2': 'mcap',
    'sounddevice': 'microphone',
    'mujoco': 'robot',
    'ruckig': 'robot',
    'mediapipe': 'track',
}
"""Module -> extra."""


def install_hint(error: ModuleNotFoundError) -> str | None:
    """What is missing and how to get it; None where the module belongs to no extra."""
    module = (error.name or '').partition('.')[0]
    if module not in EXTRAS:
        return None
    return f'{module} is not installed; pip install "diffposetalk_ros[{EXTRAS[module]}]"'
