# SPDX-License-Identifier: Apache-2.0
"""Writes ARKit motion as a glTF 2.0 animation (.glb) of the bundled head for Blender, Godot, three.js and Unreal.

The mesh has the 52 ARKit channels as morph targets, by Apple's names, and a joint ``head`` that turns about the top
of the neck. Each part (skin, lips, teeth, hair ...) has a material; its colour is the material's times COLOR_0. To
move your own head model, copy the animation to it; morph targets are matched by name.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES
from diffposetalk_ros.motion.motion_clip import MotionClip, check_arkit
from diffposetalk_ros.motion.rig import PARTS, Rig, load_rig
from diffposetalk_ros.motion.rig.surface import NECK_PIVOT
from diffposetalk_ros.motion.rotation import vector_to_quaternion
from diffposetalk_ros.viewer.light import GLOSS, THEMES
from diffposetalk_ros.viewer.tint import corner_tint

__all__ = ['encode_glb']

_UNSIGNED_BYTE, _UNSIGNED_SHORT, _UNSIGNED_INT, _FLOAT = 5121, 5123, 5125, 5126
_VERTICES, _INDICES = 34962, 34963
_KINDS = {1: 'SCALAR', 2: 'VEC2', 3: 'VEC3', 4: 'VEC4', 16: 'MAT4'}
_METRES = np.float32(1e-3)
_EYES = ('sclera', 'iris', 'pupil', 'glint')
_DEEPER = np.array([0.0, 0.0, 1.0], np.float32)
"""mm that the eyes lie deeper: below the lids, the balls reach 0.4 mm out of the skin, which our pictures hide."""


class _Buffer:
    """The binary part of a .glb and the views and accessors into it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []
        self._still: dict[int, int] = {}

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
        if not len(moved) and len(values) in self._still:
            return self._still[len(values)]
        accessor: dict[str, Any] = {'componentType': _FLOAT, 'count': len(values), 'type': 'VEC3'}
        accessor |= {'min': values.min(axis=0).tolist(), 'max': values.max(axis=0).tolist()}
        if len(moved):
            accessor['sparse'] = {
                'count': len(moved),
                'indices': {'bufferView': self.view(moved.astype('<u4')), 'componentType': _UNSIGNED_INT},
                'values': {'bufferView': self.view(values[moved].astype('<f4'))},
            }
        else:
            self._still[len(values)] = len(self.accessors)
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def _normals(rig: Rig) -> NDArray[np.float64]:
    """Unit normals (V, 3) of the face at rest, weighted by area."""
    corners = rig.neutral[rig.faces].astype(np.float64)
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros((len(rig.neutral), 3))
    np.add.at(normals, rig.faces, area[:, None])
    return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True))


def _primitives(rig: Rig, buffer: _Buffer) -> list[dict[str, Any]]:
    """The mesh, part by part, each with a material of its number; the vertices between two parts are in both."""
    follows, normals, tint = rig.follows_head.astype('<f4'), _normals(rig), corner_tint(rig)
    joints = np.zeros((len(follows), 4), '<u2')
    joints[:, 1] = follows > 0  # glTF wants joint 0 where the share is 0
    shares = np.zeros((len(follows), 4), '<f4')
    shares[:, 0], shares[:, 1] = 1 - follows, follows
    primitives = []
    for part in range(len(PARTS)):
        chosen = rig.part == part
        used, indices = np.unique(rig.faces[chosen], return_inverse=True)
        colours = np.full((len(used), 4), 255, 'u1')
        colours[indices.reshape(-1), :3] = np.round(255 * tint[chosen]).reshape(-1, 3)
        points = rig.neutral[used] - (_DEEPER if PARTS[part] in _EYES else 0)
        attributes = {
            'POSITION': buffer.add((points * _METRES).astype('<f4'), _FLOAT, _VERTICES, bounds=True),
            'NORMAL': buffer.add(normals[used].astype('<f4'), _FLOAT, _VERTICES),
            'COLOR_0': buffer.add(colours, _UNSIGNED_BYTE, _VERTICES),
            'JOINTS_0': buffer.add(joints[used], _UNSIGNED_SHORT, _VERTICES),
            'WEIGHTS_0': buffer.add(shares[used], _FLOAT, _VERTICES),
        }
        buffer.accessors[attributes['COLOR_0']]['normalized'] = True
        primitives.append(
            {
                'attributes': attributes,
                'indices': buffer.add(indices.reshape(-1).astype('<u4'), _UNSIGNED_INT, _INDICES),
                'material': part,
                'targets': [
                    {'POSITION': buffer.add_sparse(moved[used] * _METRES)} for moved in rig.displacements
                ],
            }
        )
    return primitives


def _materials(rig: Rig) -> list[dict[str, Any]]:
    """Plain materials in the colours of the page, glossy where its parts are."""
    materials = []
    for name in PARTS:
        colour = (np.array(getattr(THEMES[rig.face], name)) / 255) ** 2.2
        plain = {
            'baseColorFactor': [*np.round(colour, 4).tolist(), 1.0],
            'metallicFactor': 0.0,
            'roughnessFactor': round(0.9 - 2 * GLOSS.get(name, 0.0), 2),
        }
        materials.append({'name': name, 'pbrMetallicRoughness': plain})
    return materials


def encode_glb(clip: MotionClip) -> bytes:
    """A .glb of the clip: frame i at i / fps s, weights and the head's rotation interpolated linearly.

    Raises MotionError for FLAME motion, which has no ARKit weights.
    """
    check_arkit(clip)
    rig, buffer = load_rig(), _Buffer()
    pivot = np.asarray(NECK_PIVOT, '<f4') * _METRES
    bind = np.tile(np.eye(4, dtype='<f4'), (2, 1, 1))
    bind[1, 3, :3] = -pivot  # column-major: the last four numbers are the translation
    primitives = _primitives(rig, buffer)
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
                'primitives': primitives,
                'weights': [0.0] * 52,
                'extras': {'targetNames': names},
            }
        ],
        'materials': _materials(rig),
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
