# SPDX-License-Identifier: Apache-2.0
"""Optional packages, and the pip extra in `setup.py` that installs each of them."""

from __future__ import annotations

import sys

__all__ = ['EXTRAS', 'install_command', 'install_hint']

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
    return f'{module} is not installed; {install_command(EXTRAS[module])}'


def install_command(extra: str) -> str:
    """How to install an extra for this Python; an editable installation stays editable."""
    return f'in the clone, run: {sys.executable} -m pip install -e ".[{extra}]"'
