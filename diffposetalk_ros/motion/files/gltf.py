# SPDX-License-Identifier: Apache-2.0
"""Writes ARKit motion as a glTF 2.0 animation (.glb) of the bundled head for Blender, Godot, three.js and Unreal.

The mesh has the 52 ARKit channels as morph targets, by Apple's names, and a joint ``head`` that turns about the top
of the neck. To move your own head model, copy the animation to it; morph targets are matched by name.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES
from diffposetalk_ros.motion.motion_clip import MotionClip, check_arkit
from diffposetalk_ros.motion.rig import load_rig
from diffposetalk_ros.motion.rig.surface import NECK_PIVOT
from diffposetalk_ros.motion.rotation import vector_to_quaternion

__all__ = ['encode_glb']

_FLOAT, _UNSIGNED_SHORT, _UNSIGNED_INT = 5126, 5123, 5125
_VERTICES, _INDICES = 34962, 34963
_KINDS = {1: 'SCALAR', 2: 'VEC2', 3: 'VEC3', 4: 'VEC4', 16: 'MAT4'}
_METRES = np.float32(1e-3)


class _Buffer:
    """The binary part of a .glb and the views and accessors into it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, values: NDArray[Any], target: int | None = None) -> int:
        self.data += bytes(-len(self.data) % 4)
        view: dict[str, Any] = {'buffer': 0, 'byteOffset': len(self.data), 'byteLength': values.nbytes}
        if target is not None:
            view['target'] = target
        self.data += np.ascontiguousarray(values).tobytes()
        self.views.append(view)
        return len(self.views) - 1

    def add(self, values: NDArray[Any], kind: int, target: int | None = None, bounds: bool = False) -> int:
        width = 1 if values.ndim == 1 else int(np.prod(values.shape[1:]))
        accessor: dict[str, Any] = {
            'bufferView': self.view(values, target),
            'componentType': kind,
            'count': len(values),
            'type': _KINDS[width],
        }
        if bounds:
            accessor |= {
                name: np.atleast_1d(getattr(values, name)(axis=0)).tolist() for name in ('min', 'max')
            }
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def add_sparse(self, values: NDArray[np.float32]) -> int:
        """Add displacements (V, 3), most of which are 0; only the others are stored."""
        moved = np.flatnonzero(np.abs(values).max(axis=1) > 0)
        accessor: dict[str, Any] = {'componentType': _FLOAT, 'count': len(values), 'type': 'VEC3'}
        accessor |= {'min': values.min(axis=0).tolist(), 'max': values.max(axis=0).tolist()}
        if len(moved):
            accessor['sparse'] = {
                'count': len(moved),
                'indices': {'bufferView': self.view(moved.astype('<u4')), 'componentType': _UNSIGNED_INT},
                'values': {'bufferView': self.view(values[moved].astype('<f4'))},
            }
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def encode_glb(clip: MotionClip) -> bytes:
    """A .glb of the clip: frame i at i / fps s, weights and the head's rotation interpolated linearly.

    Raises MotionError for FLAME motion, which has no ARKit weights.
    """
    check_arkit(clip)
    rig, buffer = load_rig(), _Buffer()
    follows = rig.follows_head.astype('<f4')
    pivot = np.asarray(NECK_PIVOT, '<f4') * _METRES
    bind = np.tile(np.eye(4, dtype='<f4'), (2, 1, 1))
    bind[1, 3, :3] = -pivot  # column-major: the last four numbers are the translation
    joints = np.zeros((len(follows), 4), '<u2')
    joints[:, 1] = follows > 0  # glTF wants joint 0 where the share is 0
    shares = np.zeros((len(follows), 4), '<f4')
    shares[:, 0], shares[:, 1] = 1 - follows, follows
    primitive = {
        'attributes': {
            'POSITION': buffer.add((rig.neutral * _METRES).astype('<f4'), _FLOAT, _VERTICES, bounds=True),
            'JOINTS_0': buffer.add(joints, _UNSIGNED_SHORT, _VERTICES),
            'WEIGHTS_0': buffer.add(shares, _FLOAT, _VERTICES),
        },
        'indices': buffer.add(rig.faces.reshape(-1).astype('<u4'), _UNSIGNED_INT, _INDICES),
        'targets': [{'POSITION': buffer.add_sparse(moved * _METRES)} for moved in rig.displacements],
    }
    times = buffer.add((np.arange(len(clip.values)) / clip.fps).astype('<f4'), _FLOAT, bounds=True)
    weights = buffer.add(clip.values[:, : len(ARKIT_BLENDSHAPES)].reshape(-1).astype('<f4'), _FLOAT)
    samplers = [{'input': times, 'output': weights, 'interpolation': 'LINEAR'}]
    channels = [{'sampler': 0, 'target': {'node': 2, 'path': 'weights'}}]
    if clip.layout.head_rotation is not None:
        turns = vector_to_quaternion(clip.values[:, clip.layout.head_rotation])
        samplers.append(
            {'input': times, 'output': buffer.add(turns.astype('<f4'), _FLOAT), 'interpolation': 'LINEAR'}
        )
        channels.append({'sampler': 1, 'target': {'node': 1, 'path': 'rotation'}})
    names = list(ARKIT_BLENDSHAPES)
    content = {
        'asset': {'version': '2.0', 'generator': 'diffposetalk_ros'},
        'scene': 0,
        'scenes': [{'nodes': [0, 2]}],
        'nodes': [
            {'name': 'neck', 'children': [1]},
            {'name': 'head', 'translation': pivot.tolist()},
            {'name': 'face', 'mesh': 0, 'skin': 0},
        ],
        'skins': [{'joints': [0, 1], 'skeleton': 0, 'inverseBindMatrices': buffer.add(bind, _FLOAT)}],
        'meshes': [
            {
                'name': 'face',
                'primitives': [primitive],
                'weights': [0.0] * 52,
                'extras': {'targetNames': names},
            }
        ],
        'animations': [{'name': 'speech', 'samplers': samplers, 'channels': channels}],
        'accessors': buffer.accessors,
        'bufferViews': buffer.views,
        'buffers': [{'byteLength': len(buffer.data) + -len(buffer.data) % 4}],
    }
    text = json.dumps(content, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 4)
    binary = bytes(buffer.data) + bytes(-len(buffer.data) % 4)
    total = 12 + 8 + len(text) + 8 + len(binary)
    return b''.join(
        (
            struct.pack('<4sII', b'glTF', 2, total),
            struct.pack('<I4s', len(text), b'JSON'),
            text,
            struct.pack('<I4s', len(binary), b'BIN\0'),
            binary,
        )
    )
