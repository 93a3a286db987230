# SPDX-License-Identifier: Apache-2.0
"""Optional packages, and the pip extra in `setup.py` that installs each of them."""

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
    """A sentence that names a missing module and how to install it; None if no extra has it."""
    module = (error.name or '').partition('.')[0]
    if module not in EXTRAS:
        return None
    return f'{module} is not installed; in the clone, run: pip install ".[{EXTRAS[module]}]"'
