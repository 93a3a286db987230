# SPDX-License-Identifier: Apache-2.0
"""The head as one small binary for the page: mesh, materials and the 52 fields, sparse and rounded.

Layout, little-endian: length of the header (uint32), the header (JSON, padded with spaces to whole
words), then the arrays; the header tells type, offset from the end of the header and count of each.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES
from diffposetalk_ros.motion.rig import PARTS, Rig
from diffposetalk_ros.motion.rig import surface as sf
from diffposetalk_ros.viewer.light import GLOSS, THEMES, Theme
from diffposetalk_ros.viewer.render_scene import BIAS
from diffposetalk_ros.viewer.tint import corner_tint

__all__ = ['pack_rig']

# Steps per mm: positions reach 250 mm, fields 38 mm, both fit int16.
_POSITION_STEPS = 100.0
_FIELD_STEPS = 800.0
_SMALLEST = 0.01
# With a depth buffer, the parts need less bias than with sorting.
_DEPTH_BIAS = 0.3
# Parts that take their colour from another part if a theme gives a colour only to that one.
_FOLLOWS = {'lids': 'skin', 'brows': 'hair', 'lashes': 'hair'}


def pack_rig(rig: Rig, theme: Theme | None = None) -> bytes:
    """Everything the page draws, about 0.4 MB, 0.2 MB once compressed.

    ``corner_*``: the vertices of the picture, one per mesh vertex and part it belongs to.
    """
    theme = THEMES[rig.face] if theme is None else theme
    corners, triangles = np.unique(
        np.stack([rig.faces, np.broadcast_to(rig.part[:, None], rig.faces.shape)], -1).reshape(-1, 2),
        axis=0,
        return_inverse=True,
    )
    tint = np.zeros((len(corners), 3), np.float32)
    tint[triangles.ravel()] = corner_tint(rig).reshape(-1, 3)
    moved = np.abs(rig.displacements).max(axis=2) > _SMALLEST
    arrays: dict[str, NDArray[Any]] = {
        'neutral': np.round(rig.neutral * _POSITION_STEPS).astype('<i2'),
        'field_value': np.round(rig.displacements[moved] * _FIELD_STEPS).astype('<i2'),
        'field_vertex': np.nonzero(moved)[1].astype('<u2'),
        'field_start': np.concatenate([[0], np.cumsum(moved.sum(axis=1))]).astype('<u4'),
        'faces': rig.faces.astype('<u2'),
        'corner_vertex': corners[:, 0].astype('<u2'),
        'triangles': triangles.astype('<u2'),
        'corner_part': corners[:, 1].astype('u1'),
        'corner_tint': np.round(np.clip(tint, 0, 1) * 255).astype('u1'),
        'follows_head': np.round(rig.follows_head * 255).astype('u1'),
    }
    table, blocks, offset = {}, [], 0
    for name, array in arrays.items():
        block = np.ascontiguousarray(array).tobytes()
        block += b'\0' * (-len(block) % 4)
        table[name] = {'type': array.dtype.name, 'offset': offset, 'count': array.size}
        blocks.append(block)
        offset += len(block)
    header = {
        'face': rig.face,
        'arrays': table,
        'position_steps': _POSITION_STEPS,
        'field_steps': _FIELD_STEPS,
        'channels': list(ARKIT_BLENDSHAPES),
        'pivot': sf.NECK_PIVOT.tolist(),
        'landmarks': dict(rig.landmarks),
        'parts': [
            {
                'name': name,
                'colour': list(getattr(theme, name)),
                'follows': _FOLLOWS.get(name),
                'gloss': GLOSS.get(name, 0.0),
                'bias': round(_DEPTH_BIAS * BIAS.get(name, 0.0), 3),
                'flat': name in ('pupil', 'glint'),
            }
            for name in PARTS
        ],
        'background': [list(theme.top), list(theme.bottom)],
    }
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 4)
    return len(text).to_bytes(4, 'little') + text + b''.join(blocks)
