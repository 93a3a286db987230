# SPDX-License-Identifier: Apache-2.0
"""The parametric head: neutral mesh, 52 linear ARKit blendshapes, landmarks, masks, lip opening.

Original geometry made by code; millimetres, x to the subject's left, y up, z forward.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.rig import surface as sf
from diffposetalk_ros.motion.rig.face import DEFAULT_FACE, Face, face_named
from diffposetalk_ros.motion.rig.fields import displacements
from diffposetalk_ros.motion.rig.mesh import PARTS, Mesh
from diffposetalk_ros.motion.rig.topology import LIP_RING, build_mesh
from diffposetalk_ros.motion.rotation import vector_to_matrix

__all__ = ['PARTS', 'Rig', 'load_rig']

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Rig:
    """A head driven by the 52 ARKit channels and head rotation.

    ``face``: name of the face it was built from. ``neutral`` (V, 3) mm. ``faces`` (F, 3): triangles,
    counter-clockwise seen from outside; ``part`` (F,): index into PARTS. ``displacements`` (52, V, 3): mm at
    weight 1, in ARKit order. ``follows_head`` (V,): 1 where head rotation acts fully, 0 at the foot of the
    neck. ``landmarks``: name -> vertex. ``masks``: name -> vertices ('lips', 'mouth', 'upper_face', 'skin',
    'ears', 'neck'). ``openings``: name -> vertices on the edge through which the inside is seen ('mouth',
    'eye_left', 'eye_right').
    """

    face: str
    neutral: Floats
    faces: NDArray[np.int32]
    part: NDArray[np.int32]
    displacements: Floats
    follows_head: Floats
    landmarks: Mapping[str, int]
    masks: Mapping[str, NDArray[np.int32]]
    openings: Mapping[str, NDArray[np.int32]]

    def vertices(self, weights: ArrayLike, head_rotation: ArrayLike | None = None) -> Floats:
        """Vertices (T, V, 3) mm for weights (T, 52) and head rotation vectors (T, 3) rad.

        The head turns about the top of the neck. Raises MotionError for other widths.
        """
        weights = self._weights(weights)
        moved = (self._fields @ weights.T).T
        points = self.neutral + moved.reshape(len(weights), -1, 3)
        if head_rotation is None:
            return np.asarray(points, np.float32)
        rotation = np.asarray(head_rotation, np.float32)
        if rotation.shape != (len(weights), 3):
            raise MotionError(f'head rotation of shape {rotation.shape} is not ({len(weights)}, 3)')
        pivot = sf.NECK_PIVOT.astype(np.float32)
        arm = points - pivot
        turned = arm @ vector_to_matrix(rotation).astype(np.float32).transpose(0, 2, 1)
        return np.asarray(points + self.follows_head[:, None] * (turned - arm), np.float32)

    def lip_opening(self, weights: ArrayLike) -> Floats:
        """Gap (T,) mm between the inner lips at the middle; below 0 the lips would overlap."""
        upper, lower = self.landmarks['upper_lip_inner'], self.landmarks['lower_lip_inner']
        gap = self.neutral[upper, 1] - self.neutral[lower, 1]
        slope = self.displacements[:, upper, 1] - self.displacements[:, lower, 1]
        return np.asarray(gap + self._weights(weights) @ slope, np.float32)

    @cached_property
    def _fields(self) -> csr_matrix:
        """Displacements (3 V, 52), sparse because most channels move little of the head, and because threads of a
        matrix library would only disturb other drawing processes."""
        return csr_matrix(self.displacements.reshape(52, -1).T)

    @property
    def lip_pairs(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Vertices (P,) of the inner upper lip from left to right, and those of the lower lip below them."""
        ring = self.openings['mouth']
        half = len(ring) // 2
        return ring[1:half], ring[:half:-1]

    def gram(self, mask: str) -> Floats:
        """Matrix G (52, 52) mm^2 with dw G dw = mean squared distance of the mask's vertices.

        ``dw`` is a difference of weights; it serves geometric losses (vertex losses through
        FLAME in the paper) without a mesh. Raises MotionError for an unknown mask.
        """
        if mask not in self.masks:
            raise MotionError(f'no mask {mask!r} on the rig; use {", ".join(self.masks)}')
        vertices = self.masks[mask]
        field = self.displacements[:, vertices].reshape(52, -1).astype(np.float64)
        return np.asarray(field @ field.T / len(vertices), np.float32)

    @staticmethod
    def _weights(weights: ArrayLike) -> Floats:
        array = np.asarray(weights, np.float32)
        if array.ndim != 2 or array.shape[1] != 52:
            raise MotionError(f'weights of shape {array.shape} are not (frames, 52) ARKit weights')
        return array


def load_rig(face: str = DEFAULT_FACE) -> Rig:
    """The head with the face of that name (`FACES`), built once per process (about 0.3 s).

    Raises ConfigError for an unknown face.
    """
    return _build(face_named(face))


@cache
def _build(face: Face) -> Rig:
    mesh = build_mesh(face)
    position = np.array(mesh.position)
    follows = np.where(np.array(mesh.group) == 'neck', sf.smoothstep(-154.0, -88.0, position[:, 1]), 1.0)
    arrays = (
        position.astype(np.float32),
        np.array(mesh.faces, np.int32),
        np.array(mesh.part, np.int32),
        displacements(mesh).astype(np.float32),
        follows.astype(np.float32),
    )
    for array in arrays:
        array.flags.writeable = False
    return Rig(
        face.name,
        *arrays,
        MappingProxyType(_landmarks(mesh, position)),
        MappingProxyType(_masks(mesh, position)),
        MappingProxyType(_openings(mesh, position)),
    )


def _landmarks(mesh: Mesh, position: NDArray[np.float64]) -> dict[str, int]:
    group, ring, turn = np.array(mesh.group), np.array(mesh.ring), np.array(mesh.turn)

    def on_ring(piece: str, k: int, angle: float, side: float = 0.0) -> int:
        choice = np.flatnonzero((group == piece) & (ring == k) & (side * position[:, 0] >= 0))
        near = np.round(np.abs(np.angle(np.exp(1j * (turn[choice] - angle)))), 6)
        # A lid's margin and the rim behind it share ring and angle; the margin is in front.
        return int(choice[np.lexsort((-position[choice, 2], near))[0]])

    def nearest(piece: str, x: float, y: float) -> int:
        choice = np.flatnonzero((group == piece) & (position[:, 2] > 0))
        return int(choice[np.argmin(np.hypot(position[choice, 0] - x, position[choice, 1] - y))])

    quarter = np.pi / 2
    marks = {
        'upper_lip_inner': on_ring('skin', 0, quarter),
        'lower_lip_inner': on_ring('skin', 0, -quarter),
        'upper_lip_outer': on_ring('skin', LIP_RING, quarter),
        'lower_lip_outer': on_ring('skin', LIP_RING, -quarter),
        'mouth_corner_left': on_ring('skin', 0, 0.0),
        'mouth_corner_right': on_ring('skin', 0, np.pi),
        'nose_tip': nearest('skin', 0, -28),
        'chin': nearest('skin', 0, -87),
        'teeth_upper': nearest('teeth_upper', 0, sf.MOUTH_Y - 0.5),
        'teeth_lower': nearest('teeth_lower', 0, sf.MOUTH_Y - 2),
        'tongue_tip': nearest('tongue', 0, sf.MOUTH_Y - 7),
    }
    for side, name in ((1.0, 'left'), (-1.0, 'right')):
        marks |= {
            f'upper_lid_{name}': on_ring('lid', 0, quarter, side),
            f'lower_lid_{name}': on_ring('lid', 0, -quarter, side),
            f'brow_inner_{name}': nearest('brow', 13 * side, 26),
            f'brow_middle_{name}': nearest('brow', 28 * side, 29),
            f'brow_outer_{name}': nearest('brow', 44 * side, 27),
            f'pupil_{name}': nearest('ball', sf.EYE_CENTER[0] * side, sf.EYE_CENTER[1]),
            f'cheek_{name}': nearest('skin', 37 * side, -26),
            f'cheek_low_{name}': nearest('skin', 42 * side, -54),
            f'nose_wing_{name}': nearest('skin', 11.5 * side, -31),
        }
    return marks


def _masks(mesh: Mesh, position: NDArray[np.float64]) -> dict[str, NDArray[np.int32]]:
    group, ring = np.array(mesh.group), np.array(mesh.ring)
    x, y, z = position.T
    skin = np.isin(group, ('skin', 'lid', 'brow'))
    lips = (group == 'skin') & (ring >= 0) & (ring <= LIP_RING)
    mouth = skin & (z > 20) & (y < sf.MOUTH_Y + 21) & (np.hypot(x / 45, (y - sf.MOUTH_Y) / 32) < 1)
    upper = skin & (z > 20) & (y > -8) & (y < 75)
    chosen = {
        'lips': lips,
        'mouth': mouth,
        'upper_face': upper,
        'skin': skin & (z > 0),
        'ears': group == 'ear',
    }
    chosen['neck'] = (group == 'neck') & ~np.isin(np.arange(len(group)), _of_part(mesh, 'shirt'))
    return {name: np.flatnonzero(mask).astype(np.int32) for name, mask in chosen.items()}


def _of_part(mesh: Mesh, part: str) -> NDArray[np.int32]:
    faces = np.array(mesh.faces, np.int32)
    return np.asarray(faces[np.array(mesh.part) == PARTS.index(part)].ravel(), np.int32)


def _openings(mesh: Mesh, position: NDArray[np.float64]) -> dict[str, NDArray[np.int32]]:
    group, edge = np.array(mesh.group), np.array(mesh.ring) == 0
    side = position[:, 0]
    lid = edge & (group == 'lid')
    chosen = {'mouth': edge & (group == 'skin'), 'eye_left': lid & (side > 0), 'eye_right': lid & (side < 0)}
    return {name: np.flatnonzero(mask).astype(np.int32) for name, mask in chosen.items()}
