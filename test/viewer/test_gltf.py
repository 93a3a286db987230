# SPDX-License-Identifier: Apache-2.0
"""What a reader of glTF makes of the file is what the rig shows."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from diffposetalk_ros.cli.main import main
from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.files.motion_file import save_motion
from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES, arkit_layout, flame_layout
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.motion.rig import PARTS, load_rig
from diffposetalk_ros.viewer.gltf import encode_glb
from diffposetalk_ros.viewer.light import THEMES
from diffposetalk_ros.viewer.tint import corner_tint

TYPES = {5126: '<f4', 5121: 'u1', 5123: '<u2', 5125: '<u4'}
WIDTHS = {'SCALAR': 1, 'VEC3': 3, 'VEC4': 4, 'MAT4': 16}


class Glb:
    """A reader by the specification."""

    def __init__(self, data: bytes) -> None:
        magic, version, total = struct.unpack_from('<4sII', data)
        assert (magic, version, total) == (b'glTF', 2, len(data))
        length, kind = struct.unpack_from('<I4s', data, 12)
        assert kind == b'JSON' and length % 4 == 0
        self.content: Any = json.loads(data[20 : 20 + length])
        binary, kind = struct.unpack_from('<I4s', data, 20 + length)
        assert kind == b'BIN\0'
        self.binary = data[28 + length :]
        assert len(self.binary) == binary == self.content['buffers'][0]['byteLength']

    def _view(self, index: int, kind: int, count: int, width: int) -> np.ndarray:
        view = self.content['bufferViews'][index]
        dtype = np.dtype(TYPES[kind])
        assert (
            view['byteOffset'] % dtype.itemsize == 0 and view['byteLength'] == count * width * dtype.itemsize
        )
        return np.frombuffer(self.binary, dtype, count * width, view['byteOffset']).reshape(count, width)

    def read(self, index: int) -> np.ndarray:
        accessor = self.content['accessors'][index]
        width, count, kind = WIDTHS[accessor['type']], accessor['count'], accessor['componentType']
        if 'bufferView' in accessor:
            values = self._view(accessor['bufferView'], kind, count, width)
        else:
            values = np.zeros((count, width), np.float32)
            if 'sparse' in accessor:
                sparse = accessor['sparse']
                rows = self._view(sparse['indices']['bufferView'], 5125, sparse['count'], 1)[:, 0]
                assert (np.diff(rows.astype(int)) > 0).all()
                values[rows] = self._view(sparse['values']['bufferView'], kind, sparse['count'], width)
        if 'min' in accessor:
            np.testing.assert_allclose(values.min(axis=0), accessor['min'], atol=1e-9)
            np.testing.assert_allclose(values.max(axis=0), accessor['max'], atol=1e-9)
        return values


def test_a_reader_sees_what_the_rig_shows() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 0.6, (5, 55)).astype(np.float32)
    glb = Glb(encode_glb(MotionClip(values, 25.0, arkit_layout())))
    content = glb.content
    mesh = content['meshes'][0]
    assert tuple(mesh['extras']['targetNames']) == ARKIT_BLENDSHAPES and len(mesh['weights']) == 52
    parts = mesh['primitives']
    assert [content['materials'][part['material']]['name'] for part in parts] == list(PARTS)
    base = np.concatenate([glb.read(part['attributes']['POSITION']) for part in parts])
    targets = np.concatenate(
        [np.stack([glb.read(target['POSITION']) for target in part['targets']]) for part in parts], axis=1
    )
    moving, turning = content['animations'][0]['channels']
    samplers = content['animations'][0]['samplers']
    times = glb.read(samplers[0]['input'])[:, 0]
    np.testing.assert_allclose(times, np.arange(5) / 25, atol=1e-7)
    weights = glb.read(samplers[0]['output']).reshape(5, 52)
    turns = Rotation.from_quat(glb.read(samplers[1]['output'])).as_matrix()
    assert content['nodes'][moving['target']['node']]['mesh'] == 0 and moving['target']['path'] == 'weights'
    skin = content['skins'][0]
    assert skin['joints'][1] == turning['target']['node'] and turning['target']['path'] == 'rotation'
    pivot = np.array(content['nodes'][skin['joints'][1]]['translation'])
    inverse = glb.read(skin['inverseBindMatrices']).reshape(2, 4, 4)
    np.testing.assert_allclose(inverse[1, 3, :3], -pivot)
    joints, shares = (
        np.concatenate([glb.read(part['attributes'][name]) for part in parts])
        for name in ('JOINTS_0', 'WEIGHTS_0')
    )
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    share = (shares * (joints == 1)).sum(axis=1)[:, None]
    starts = np.cumsum([0, *(len(glb.read(part['attributes']['POSITION'])) for part in parts)])
    corners = np.concatenate(
        [start + glb.read(part['indices'])[:, 0] for start, part in zip(starts, parts, strict=False)]
    )
    for frame in range(5):
        still = base + np.einsum('t,tvk->vk', weights[frame], targets)
        turned = (still - pivot) @ turns[frame].T + pivot
        seen = 1000 * (share * turned + (1 - share) * still)
        assert_shown(seen[corners].reshape(-1, 3, 3), values[frame])


def assert_shown(triangles: np.ndarray, row: np.ndarray) -> None:
    """Triangles (F, 3, 3) mm, part by part, are those of the rig; eyes lie 1 mm deeper, so that no ball shows."""
    rig = load_rig()
    order = np.argsort(rig.part, kind='stable')
    away = np.linalg.norm(
        triangles - rig.vertices(row[None, :52], row[None, 52:])[0][rig.faces[order]], axis=-1
    )
    eyes = np.isin(np.array(PARTS)[rig.part[order]], ('sclera', 'iris', 'pupil', 'glint'))
    np.testing.assert_allclose(away[eyes], 1, atol=5e-3)
    np.testing.assert_allclose(away[~eyes], 0, atol=5e-3)


def test_parts_have_the_colours_of_the_page_and_normals() -> None:
    glb = Glb(encode_glb(MotionClip(np.zeros((2, 55)), 25.0, arkit_layout())))
    rig, tint = load_rig(), corner_tint(load_rig())
    for part, (name, primitive) in enumerate(zip(PARTS, glb.content['meshes'][0]['primitives'], strict=True)):
        plain = glb.content['materials'][primitive['material']]['pbrMetallicRoughness']
        shown = np.array(plain['baseColorFactor'][:3]) ** (1 / 2.2) * 255
        np.testing.assert_allclose(shown, getattr(THEMES['robin'], name), atol=2)
        assert plain['metallicFactor'] == 0 and 0 < plain['roughnessFactor'] <= 0.9
        corners = glb.read(primitive['indices'])[:, 0].reshape(-1, 3)
        given = glb.read(primitive['attributes']['COLOR_0'])
        np.testing.assert_allclose(given[corners][..., :3] / 255, tint[rig.part == part], atol=0.003)
        assert (given[:, 3] == 255).all()
        normals = glb.read(primitive['attributes']['NORMAL'])
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
    skin = glb.content['meshes'][0]['primitives'][0]['attributes']
    tip = np.argmax(glb.read(skin['POSITION'])[:, 2])
    assert glb.read(skin['NORMAL'])[tip, 2] > 0.9, 'the tip of the nose looks forward'


IN_BLENDER = """
import sys
import bpy
import numpy as np

bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
scene.render.fps = 25
bpy.ops.import_scene.gltf(filepath='m.glb')
face = next(o for o in bpy.data.objects if o.type == 'MESH' and o.data.shape_keys)
keys = face.data.shape_keys.key_blocks[1:]
own = bpy.data.objects.new('own', bpy.data.meshes.new('own'))
scene.collection.objects.link(own)
own.shape_key_add(name='Basis')
for key in reversed(keys):
    own.shape_key_add(name=key.name)
given, taken = face.data.shape_keys.animation_data, own.data.shape_keys.animation_data_create()
taken.action = given.action
if hasattr(given, 'action_slot'):
    taken.action_slot = given.action_slot
weights, others, points = [], [], []
for frame in range(5):
    scene.frame_set(frame)
    weights.append([key.value for key in keys])
    others.append([own.data.shape_keys.key_blocks[key.name].value for key in keys])
    shown = face.evaluated_get(bpy.context.evaluated_depsgraph_get())
    places = [list(shown.matrix_world @ vertex.co) for vertex in shown.data.vertices]
    points.append([[places[k] for k in polygon.vertices] for polygon in shown.data.polygons])
materials = [slot.material.name for slot in face.material_slots]
names = [key.name for key in keys]
np.savez('seen.npz', materials=materials, names=names, weights=weights, others=others, points=points)
"""
"""Blender's axes are x to the subject's left, y back, z up. From 4.4 on, an action has slots for its users."""


@pytest.mark.skipif(find_spec('bpy') is None, reason='bpy (Blender as a module) is not installed')
def test_blender_sees_what_the_rig_shows(tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(0, 0.6, (5, 55)).astype(np.float32)
    (tmp_path / 'm.glb').write_bytes(encode_glb(MotionClip(values, 25.0, arkit_layout())))
    subprocess.run([sys.executable, '-c', IN_BLENDER], cwd=tmp_path, check=True, timeout=120)
    with np.load(tmp_path / 'seen.npz') as seen:
        assert tuple(seen['names']) == ARKIT_BLENDSHAPES
        np.testing.assert_allclose(seen['weights'], values[:, :52], atol=1e-6)
        np.testing.assert_allclose(seen['others'], values[:, :52], atol=1e-6)
        points = 1000 * seen['points'][..., [0, 2, 1]] * [1, 1, -1]
        assert list(seen['materials']) == list(PARTS)
    for triangles, row in zip(points, values, strict=True):
        assert_shown(triangles, row)


def test_motion_without_a_head_turns_none_and_flame_is_refused() -> None:
    glb = Glb(encode_glb(MotionClip(np.zeros((2, 52)), 30.0, arkit_layout(False))))
    assert len(glb.content['animations'][0]['channels']) == 1
    with pytest.raises(MotionError, match='flame'):
        encode_glb(MotionClip(np.zeros((2, 54)), 30.0, flame_layout()))


def test_verb_writes_every_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from diffposetalk_ros.motion.files.motion_file import load_motion

    values = np.random.default_rng(1).uniform(0, 0.5, (50, 55)).astype(np.float32)
    save_motion(tmp_path / 'm.npz', MotionClip(values, 25.0, arkit_layout()))
    source = str(tmp_path / 'm.npz')
    assert main(['convert', source, '-o', str(tmp_path / 'm.glb')]) == 0
    assert Glb((tmp_path / 'm.glb').read_bytes()).content['asset']['version'] == '2.0'
    assert main(['convert', source, '-o', str(tmp_path / 'a2f.json'), '--format', 'audio2face']) == 0
    back = load_motion(tmp_path / 'a2f.json')
    np.testing.assert_allclose(back.values, values[:, :52], atol=1e-6)
    assert back.fps == 25
    assert main(['convert', source, '-o', str(tmp_path / 'head.csv'), '--format', 'head']) == 0
    table = np.genfromtxt(tmp_path / 'head.csv', delimiter=',', names=True)
    turns = Rotation.from_rotvec(values[:, 52:])
    quaternions = np.stack([table[f'q{axis}'] for axis in 'xyzw'], axis=1)
    assert (Rotation.from_quat(quaternions) * turns.inv()).magnitude().max() < 1e-5
    angles = np.stack([table[f'{angle}_deg'] for angle in ('yaw', 'pitch', 'roll')], axis=1)
    assert (Rotation.from_euler('YXZ', angles, degrees=True) * turns.inv()).magnitude().max() < 1e-5
    np.testing.assert_allclose(table['time'], np.arange(50) / 25)
    assert main(['convert', source, '-o', str(tmp_path / 'm.csv'), '--format', 'gltf']) == 1
    assert 'writes a .glb' in capsys.readouterr().err
