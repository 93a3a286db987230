# SPDX-License-Identifier: Apache-2.0
"""Draws the head into an image on the CPU: camera, light, and Agg as the software rasteriser.

Agg (inside Matplotlib) fills smooth shaded triangles in about 3 microseconds each, anti-aliased and
without any GL; the pyrender, VTK and moderngl families all want a GL driver. It has no depth
buffer, so faces are sorted from back to front, with a small bias for parts that lie on others.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.rig import PARTS, Rig
from diffposetalk_ros.viewer.tint import corner_tint

__all__ = ['BIAS', 'DAY', 'GLOSS', 'Scene', 'Theme']

Floats = NDArray[np.float32]
Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

# Sorting bias in mm towards the camera.
BIAS = {
    'brows': 7.0,
    'lips': 1.5,
    'mouth': -15.0,
    'teeth': -9.0,
    'tongue': -4.0,
    'sclera': -8.0,
    'iris': -8.0,
    'pupil': -8.0,
    'glint': -6.0,
    'hair': 4.0,
}
GLOSS = {
    'skin': 0.10,
    'lids': 0.10,
    'lips': 0.22,
    'sclera': 0.35,
    'iris': 0.3,
    'teeth': 0.3,
    'tongue': 0.2,
    'hair': 0.12,
}

_EYE = ('sclera', 'iris', 'pupil')
# Linear light in 4096 steps -> what a display wants.
_DISPLAY = (np.arange(4096) / 4095) ** (1 / 2.2)


@dataclass(frozen=True)
class Theme:
    """Colours (sRGB 0..255) of the head and of the background, bottom and top."""

    skin: Colour = (236, 188, 160)
    lids: Colour = (226, 170, 144)
    lashes: Colour = (70, 46, 40)
    lips: Colour = (200, 104, 100)
    brows: Colour = (92, 62, 50)
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


class Scene:
    """A camera in front of the rig: turns vertices (V, 3) mm into images (height, width, 3) uint8.

    ``size`` is (width, height) in pixels, 16 to 4096 each. Raises ConfigError for other sizes.
    """

    def __init__(self, rig: Rig, size: tuple[int, int] = (1280, 720), theme: Theme = DAY) -> None:
        agg: Any = import_module('matplotlib.backends.backend_agg')
        transforms: Any = import_module('matplotlib.transforms')
        width, height = size
        if not (16 <= width <= 4096 and 16 <= height <= 4096):
            raise ConfigError(f'image size {width}x{height} is out of range; use 16 to 4096 pixels')
        self._rig = rig
        self._size = (width, height)
        self._agg: Any = agg.RendererAgg(width, height, 100)
        self._gc = self._agg.new_gc()
        self._identity = transforms.IdentityTransform()
        self._pixels: Image = np.asarray(self._agg.buffer_rgba())
        self._background = _gradient(width, height, theme)
        self._empty = np.ascontiguousarray(self._background[..., :3])
        faces, count = rig.faces, len(rig.neutral)
        ones = np.ones(3 * len(faces), np.float32)
        columns = np.repeat(np.arange(len(faces)), 3)
        self._gather = csr_matrix((ones, (faces.ravel(), columns)), (count, len(faces)))
        names = [PARTS[p] for p in rig.part]
        self._bias = np.array([BIAS.get(name, 0.0) for name in names], np.float32)
        self._gloss = np.array([GLOSS.get(name, 0.0) for name in names], np.float32)[:, None]
        base = np.array([getattr(theme, name) for name in PARTS], np.float32) / 255.0
        self._colour = (base**2.2)[rig.part][:, None, :] * corner_tint(rig)
        inside = {'mouth': ('teeth', 'mouth'), 'eye_left': _EYE, 'eye_right': _EYE}
        middle = rig.neutral[faces, 0].mean(axis=1)
        self._inner = []
        for name, parts in inside.items():
            side = {'eye_left': middle > 0, 'eye_right': middle < 0}.get(name, True)
            self._inner.append((rig.openings[name], np.flatnonzero(np.isin(names, parts) & side)))
        self._flat = np.isin(names, ('pupil', 'glint'))[:, None, None]

    def draw(self, points: Floats) -> Image:
        """Image (height, width, 3) uint8 of one frame of vertices (V, 3) mm."""
        faces = self._rig.faces
        width, height = self._size
        # Camera 950 mm before the face, on eye height; 262 mm of the head fill the picture.
        distance = 950.0 - points[:, 2]
        scale = (height / 262.0) * 880.0 / distance
        screen = np.stack(
            [width / 2 + scale * points[:, 0], height / 2 + scale * (points[:, 1] + 14.0)], axis=1
        )
        corner = screen[faces]
        u, v = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
        front = u[:, 0] * v[:, 1] > u[:, 1] * v[:, 0]
        self._hide_inside(front, screen, corner)
        seen = np.flatnonzero(front)
        order = seen[np.argsort(self._bias[seen] - distance[faces[seen]].mean(axis=1))]
        colour = self._shade(points, order)
        # Only the box the head covers is cleared and copied; row 0 of the picture is the top.
        left, low = np.clip(np.floor(screen.min(axis=0)).astype(int) - 2, 0, self._size)
        right, high = np.clip(np.ceil(screen.max(axis=0)).astype(int) + 2, 0, self._size)
        box = (slice(height - high, height - low), slice(left, right))
        self._pixels[box] = self._background[box]
        self._agg.draw_gouraud_triangles(self._gc, corner[order].astype(float), colour, self._identity)
        image: Image = self._empty.copy()
        image[box] = self._pixels[box][..., :3]
        return image

    def _hide_inside(self, front: NDArray[np.bool_], screen: Floats, corner: Floats) -> None:
        """Take away teeth, mouth and eyeballs beside the openings through which they are seen."""
        for edge, chosen in self._inner:
            low, high = screen[edge].min(axis=0), screen[edge].max(axis=0)
            inner = corner[chosen]
            front[chosen] &= ((inner.max(axis=1) > low) & (inner.min(axis=1) < high)).all(axis=1)

    def _shade(self, points: Floats, order: NDArray[np.int64]) -> NDArray[np.float64]:
        """Colour (N, 3, 4) of the corners of the faces drawn: key, sky, bounce and rim light, gloss."""
        faces = self._rig.faces
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
        chosen = faces[order]
        lit = self._colour[order] * light[chosen] + self._gloss[order][:, :, None] * gloss[chosen][..., None]
        lit = np.where(self._flat[order], self._colour[order], lit)
        colour = np.ones((len(order), 3, 4))
        colour[..., :3] = _DISPLAY[np.clip(4095 * lit, 0, 4095).astype(np.int16)]
        return colour


def _cross(a: Floats, b: Floats) -> Floats:
    ax, ay, az = a.T
    bx, by, bz = b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=1)


def _gradient(width: int, height: int, theme: Theme) -> Image:
    """Opaque background (height, width, 4)."""
    ramp = np.linspace(0, 1, height)[:, None, None]
    rows = (1 - ramp) * np.array((*theme.top, 255)) + ramp * np.array((*theme.bottom, 255))
    return np.broadcast_to(rows, (height, width, 4)).astype(np.uint8)
