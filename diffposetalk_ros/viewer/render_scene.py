# SPDX-License-Identifier: Apache-2.0
"""Draws the head into an image on the CPU: camera and Agg as the software rasteriser.

Agg (inside Matplotlib) draws smoothly shaded, anti-aliased triangles in about 3 microseconds each and
without GL; pyrender, VTK and moderngl all need a GL driver. Agg has no depth
buffer, so faces are sorted from back to front, with a small bias for parts that lie on others.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.rig import PARTS, Rig
from diffposetalk_ros.viewer.light import THEMES, Light, Theme

__all__ = ['BIAS', 'Scene']

Floats = NDArray[np.float32]
Image = NDArray[np.uint8]

# Sorting bias in mm towards the camera.
BIAS = {
    'brows': 7.0,
    'lips': 1.5,
    'mouth': -15.0,
    'teeth': -9.0,
    'tongue': -9.0,
    'sclera': -8.0,
    'iris': -8.0,
    'pupil': -8.0,
    'glint': -6.0,
    'hair': 4.0,
    'shirt': 5.0,
}

_EYE = ('sclera', 'iris', 'pupil')


class Scene:
    """A camera in front of the rig: turns vertices (V, 3) mm into images (height, width, 3) uint8.

    ``size`` is (width, height) in pixels, 16 to 4096 each; ``theme`` None: the face's own colours.
    Raises ConfigError for other sizes.
    """

    def __init__(self, rig: Rig, size: tuple[int, int] = (1280, 720), theme: Theme | None = None) -> None:
        theme = THEMES[rig.face] if theme is None else theme
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
        self._light = Light(rig, theme)
        names = [PARTS[p] for p in rig.part]
        self._bias = np.array([BIAS.get(name, 0.0) for name in names], np.float32)
        # Ears are in front of the hair; the neck is behind jaw and mouth.
        for mask, bias in (('ears', 9.0), ('neck', -20.0)):
            self._bias[np.isin(rig.faces, rig.masks[mask]).all(axis=1)] = bias
        # The far side of the collar is behind the neck.
        middle = rig.neutral[rig.faces].mean(axis=1)
        far = (np.array(names) == 'shirt') & (middle[:, 1] > -146) & (middle[:, 2] < -22)
        self._bias[far] = -30.0
        inside = {'mouth': ('teeth', 'mouth'), 'eye_left': _EYE, 'eye_right': _EYE}
        self._inner = []
        for name, parts in inside.items():
            side = {'eye_left': middle[:, 0] > 0, 'eye_right': middle[:, 0] < 0}.get(name, True)
            self._inner.append((rig.openings[name], np.flatnonzero(np.isin(names, parts) & side)))

    def draw(self, points: Floats) -> Image:
        """Image (height, width, 3) uint8 of one frame of vertices (V, 3) mm."""
        faces = self._rig.faces
        width, height = self._size
        # Camera 950 mm in front of the face, a little below the eyes; 266 mm of the head fill the picture.
        distance = 950.0 - points[:, 2]
        scale = (height / 266.0) * 880.0 / distance
        screen = np.stack(
            [width / 2 + scale * points[:, 0], height / 2 + scale * (points[:, 1] + 19.0)], axis=1
        )
        corner = screen[faces]
        u, v = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
        front = u[:, 0] * v[:, 1] > u[:, 1] * v[:, 0]
        self._hide_inside(front, screen, corner)
        seen = np.flatnonzero(front)
        order = seen[np.argsort(self._bias[seen] - distance[faces[seen]].mean(axis=1))]
        colour = self._light.colours(points, order)
        # Only the bounding box of the head is cleared and copied; row 0 of the picture is the top.
        left, low = np.clip(np.floor(screen.min(axis=0)).astype(int) - 2, 0, self._size)
        right, high = np.clip(np.ceil(screen.max(axis=0)).astype(int) + 2, 0, self._size)
        box = (slice(height - high, height - low), slice(left, right))
        self._pixels[box] = self._background[box]
        self._agg.draw_gouraud_triangles(self._gc, corner[order].astype(float), colour, self._identity)
        image: Image = self._empty.copy()
        image[box] = self._pixels[box][..., :3]
        return image

    def _hide_inside(self, front: NDArray[np.bool_], screen: Floats, corner: Floats) -> None:
        """Remove the parts of teeth, mouth and eyeballs outside the openings through which they are visible."""
        for edge, chosen in self._inner:
            low, high = screen[edge].min(axis=0), screen[edge].max(axis=0)
            inner = corner[chosen]
            front[chosen] &= ((inner.max(axis=1) > low) & (inner.min(axis=1) < high)).all(axis=1)


def _gradient(width: int, height: int, theme: Theme) -> Image:
    """Opaque background (height, width, 4)."""
    ramp = np.linspace(0, 1, height)[:, None, None]
    rows = (1 - ramp) * np.array((*theme.top, 255)) + ramp * np.array((*theme.bottom, 255))
    return np.broadcast_to(rows, (height, width, 4)).astype(np.uint8)
