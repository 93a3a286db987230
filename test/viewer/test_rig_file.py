# SPDX-License-Identifier: Apache-2.0
"""What the page unpacks is the rig, to a hundredth of a millimetre."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from diffposetalk_ros.motion.rig import PARTS, load_rig
from diffposetalk_ros.viewer.rig_file import pack_rig


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    size = int.from_bytes(data[:4], 'little')
    header = json.loads(data[4 : 4 + size])
    arrays = {
        name: np.frombuffer(data, a['type'], a['count'], 4 + size + a['offset'])
        for name, a in header['arrays'].items()
    }
    return header, arrays


def test_unpacked_rig_moves_as_the_rig() -> None:
    rig = load_rig()
    header, arrays = unpack(pack_rig(rig))
    neutral = arrays['neutral'].reshape(-1, 3) / header['position_steps']
    assert np.abs(neutral - rig.neutral).max() <= 0.0051
    field = np.zeros((52, len(neutral), 3))
    start = arrays['field_start']
    for channel in range(52):
        part = slice(start[channel], start[channel + 1])
        value = arrays['field_value'].reshape(-1, 3)[part] / header['field_steps']
        field[channel, arrays['field_vertex'][part]] = value
    assert np.abs(field - rig.displacements).max() <= 0.0101
    assert header['face'] == rig.face
    assert header['landmarks']['lower_lip_inner'] == rig.landmarks['lower_lip_inner']


def test_picture_corners_are_faces_with_their_materials() -> None:
    rig = load_rig()
    header, arrays = unpack(pack_rig(rig))
    triangles = arrays['triangles'].reshape(-1, 3)
    assert (arrays['corner_vertex'][triangles] == rig.faces).all()
    assert (arrays['corner_part'][triangles] == rig.part[:, None]).all()
    assert [part['name'] for part in header['parts']] == list(PARTS)
    assert {part['name']: part['follows'] for part in header['parts'] if part['follows']} == {
        'lids': 'skin',
        'lashes': 'hair',
        'brows': 'hair',
    }
    assert all(a['offset'] % 4 == 0 for a in header['arrays'].values())
