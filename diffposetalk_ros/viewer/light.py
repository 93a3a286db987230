# SPDX-License-Identifier: Apache-2.0
"""Colours of the head and the light that falls on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from diffposetalk_ros.motion.rig import PARTS, Rig
from diffposetalk_ros.viewer.tint import corner_tint

__all__ = ['DAY', 'GLOSS', 'THEMES', 'Light', 'Theme']

Floats = NDArray[np.float32]
Colour = tuple[int, int, int]

GLOSS = {
    'skin': 0.10,
    'lids': 0.10,
    'lips': 0.22,
    'sclera': 0.35,
    'iris': 0.3,
    'teeth': 0.3,
    'tongue': 0.2,
    'hair': 0.06,
}

# Linear light in 4096 steps -> what a display wants.
_DISPLAY = (np.arange(4096) / 4095) ** (1 / 2.2)


@dataclass(frozen=True)
class Theme:
    """Colours (sRGB 0..255) of the head and of the background, bottom and top."""

    skin: Colour = (234, 186, 158)
    lids: Colour = (226, 172, 146)
    lashes: Colour = (70, 46, 40)
    lips: Colour = (208, 134, 120)
    brows: Colour = (112, 78, 60)
    sclera: Colour = (250, 248, 244)
    iris: Colour = (74, 132, 150)
    pupil: Colour = (22, 22, 28)
    glint: Colour = (255, 255, 255)
    teeth: Colour = (248, 244, 234)
    tongue: Colour = (206, 100, 104)
    mouth: Colour = (92, 30, 36)
    hair: Colour = (98, 66, 48)
    shirt: Colour = (58, 92, 116)
    top: Colour = (226, 234, 240)
    bottom: Colour = (178, 194, 208)


DAY = Theme()

THEMES: Mapping[str, Theme] = MappingProxyType(
    {
        'robin': DAY,
        'maya': Theme(
            skin=(150, 98, 70),
            lids=(138, 86, 62),
            lashes=(30, 20, 20),
            lips=(156, 82, 76),
            brows=(46, 32, 28),
            sclera=(246, 242, 236),
            iris=(92, 60, 40),
            tongue=(190, 92, 96),
            hair=(48, 36, 34),
            shirt=(190, 112, 62),
        ),
    }
)
"""Colours of each face, by its name."""


class Light:
    """Key, sky, bounce and rim light and gloss on the parts of the rig, in the face's own colours or a theme's."""

    def __init__(self, rig: Rig, theme: Theme | None = None) -> None:
        theme = THEMES[rig.face] if theme is None else theme
        faces, count = rig.faces, len(rig.neutral)
        ones = np.ones(3 * len(faces), np.float32)
        columns = np.repeat(np.arange(len(faces)), 3)
        self._gather = csr_matrix((ones, (faces.ravel(), columns)), (count, len(faces)))
        self._faces = faces
        names = [PARTS[p] for p in rig.part]
        self._gloss = np.array([GLOSS.get(name, 0.0) for name in names], np.float32)[:, None]
        base = np.array([getattr(theme, name) for name in PARTS], np.float32) / 255.0
        self._colour = (base**2.2)[rig.part][:, None, :] * corner_tint(rig)
        self._flat = np.isin(names, ('pupil', 'glint'))[:, None, None]

    def colours(self, points: Floats, chosen: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """RGBA 0..1 (N, 3, 4), for a display, of the corners of the chosen faces (None: all), the vertices
        being at ``points`` (V, 3) mm."""
        faces = self._faces
        order = np.arange(len(faces)) if chosen is None else chosen
        p = points[faces]
        area = _cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
        normal = self._gather @ area
        normal /= np.maximum(np.sqrt((normal**2).sum(axis=1, keepdims=True)), 1e-9)
        x, y, z = normal.T
        # Light wraps further round for red, as in skin.
        wrap = np.array([0.3, 0.2, 0.15])
        key = np.clip((0.48 * x + 0.42 * y + 0.77 * z)[:, None] + wrap, 0, None) / (1 + wrap)
        fill = np.clip(-0.7 * x + 0.1 * y + 0.6 * z, 0, None)
        sky = 0.5 + 0.5 * y
        rim = np.clip(1 - z, 0, 1) ** 3 * np.clip(0.4 - 0.5 * x + 0.3 * y, 0, None)
        warm, cool = np.array([1.0, 0.95, 0.88]), np.array([0.82, 0.92, 1.0])
        light = 0.82 * key * warm + (0.18 * fill + 0.22 * sky + 0.35 * rim)[:, None] * cool
        light += 0.06 * np.array([1.0, 0.7, 0.6])
        gloss = np.clip(0.25 * x + 0.3 * y + 0.92 * z, 0, 1) ** 24
        corners = faces[order]
        lit = (
            self._colour[order] * light[corners] + self._gloss[order][:, :, None] * gloss[corners][..., None]
        )
        lit = np.where(self._flat[order], self._colour[order], lit)
        colour = np.ones((len(order), 3, 4))
        colour[..., :3] = _DISPLAY[np.clip(4095 * lit, 0, 4095).astype(np.int16)]
        return colour


def _cross(a: Floats, b: Floats) -> Floats:
    ax, ay, az = a.T
    bx, by, bz = b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=1)
