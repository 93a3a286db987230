# SPDX-License-Identifier: Apache-2.0
"""The mesh while it is being built."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.rig.face import Face

Array = NDArray[np.float64]
Index = NDArray[np.int64]

PARTS = (
    'skin',
    'lids',
    'lashes',
    'lips',
    'brows',
    'sclera',
    'iris',
    'pupil',
    'glint',
    'teeth',
    'tongue',
    'mouth',
    'hair',
    'shirt',
)


@dataclass
class Mesh:
    """Vertices under construction with the data that the displacement fields need.

    ``ring`` and ``turn`` (angle, rad) give the position on a mouth or eye ring (ring -1: none);
    ``group`` names the piece: skin, bag, lid, brow, ear, ball, teeth_upper, teeth_lower, tongue, hair, neck.
    """

    face: Face
    position: list[Array] = field(default_factory=list)
    group: list[str] = field(default_factory=list)
    ring: list[int] = field(default_factory=list)
    turn: list[float] = field(default_factory=list)
    faces: list[tuple[int, int, int]] = field(default_factory=list)
    part: list[int] = field(default_factory=list)

    def add(self, points: Array, group: str, ring: int = -1, turn: Array | None = None) -> Index:
        """Append points (N, 3); returns their indices."""
        first = len(self.group)
        self.position.extend(np.asarray(points, np.float64))
        self.group.extend([group] * len(points))
        self.ring.extend([ring] * len(points))
        self.turn.extend(np.zeros(len(points)) if turn is None else turn)
        return np.arange(first, first + len(points))

    def triangle(self, a: int, b: int, c: int, part: str) -> None:
        """Append one counter-clockwise face."""
        self.faces.append((int(a), int(b), int(c)))
        self.part.append(PARTS.index(part))

    def band(self, inner: Index, outer: Index, part: str, closed: bool = True) -> None:
        """Quads between two rows of equal length; outward when rows run counter-clockwise."""
        count = len(inner)
        for i in range(count if closed else count - 1):
            j = (i + 1) % count
            self.triangle(inner[i], outer[i], outer[j], part)
            self.triangle(inner[i], outer[j], inner[j], part)

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Drop the faces not in the mask ``chosen`` (F,), and the vertices that no face uses any more."""
        faces = np.array(self.faces)[chosen]
        used = np.isin(np.arange(len(self.group)), faces)
        number = np.cumsum(used) - 1
        self.faces[:] = [(int(a), int(b), int(c)) for a, b, c in number[faces]]
        self.part[:] = [part for part, kept in zip(self.part, chosen, strict=True) if kept]
        self.position[:] = [value for value, kept in zip(self.position, used, strict=True) if kept]
        self.group[:] = [value for value, kept in zip(self.group, used, strict=True) if kept]
        self.ring[:] = [value for value, kept in zip(self.ring, used, strict=True) if kept]
        self.turn[:] = [value for value, kept in zip(self.turn, used, strict=True) if kept]
