# SPDX-License-Identifier: Apache-2.0
"""Proportions of the heads: every number in which one face differs from another.

Lengths are millimetres at 60 mm between the pupils; x points to the subject's left, y up, z forward.
All numbers are free design choices, close to what anthropometry reports of adults. The opening between the
lips, the eyeballs and the hinge of the jaw are the same for all faces, so that motion means the same on each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from diffposetalk_ros.errors import ConfigError

__all__ = ['DEFAULT_FACE', 'FACES', 'Face', 'face_named']

Nodes = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Face:
    """One face. A curve is given by its nodes, pairs of a position and a value.

    ``outline``: height y and half width of the ellipse whose section at that height is the silhouette.
    ``profile``: height y and depth z of the midline without nose and lips; it runs from top to bottom.
    ``flatness``: height y and exponent of the horizontal section; 0.5 is an ellipse, less is flatter.
    ``nose``: height y and how far the bridge stands out; ``nose_width`` and ``wing`` scale its breadth and wings.
    ``cheek``: how far the cheek bones stand out. ``lips``: height of the upper and of the lower lip.
    ``brow``: heights y of inner end, arch and outer end, and half of the thickness.
    ``eye_tilt``: how much higher the outer corner of the eye lies than the inner one.
    ``ear``: scale of the ear. ``neck``: scale of the neck's radius.
    ``hairline``: angle around the face in degrees (0: the subject's left, 90: up) and radius in the unrolled
    plane (see `surface`). ``parting``: angle of the parting in degrees, or None for hair combed back to a bun.
    """

    name: str
    outline: Nodes
    profile: Nodes
    flatness: Nodes
    nose: Nodes
    nose_width: float
    wing: float
    cheek: float
    lips: tuple[float, float]
    brow: tuple[float, float, float, float]
    eye_tilt: float
    ear: float
    neck: float
    hairline: Nodes
    parting: float | None


_ROBIN = Face(
    name='robin',
    outline=((-102, 56), (-90, 62), (-75, 67), (-60, 69.5), (-20, 71), (20, 73), (60, 77), (106, 84)),
    profile=(
        (106, 0), (96, 34), (80, 58), (60, 73), (42, 80), (26, 83), (10, 78), (-10, 78), (-36, 79),
        (-60, 78), (-74, 74), (-86, 78), (-94, 70), (-99, 50), (-102, 0),
    ),
    flatness=((-102, 0.34), (-60, 0.36), (-20, 0.42), (30, 0.44), (106, 0.5)),
    nose=(
        (18, 0), (9, 1.5), (0, 4.5), (-12, 9.5), (-22, 13.6), (-28, 14.8), (-32, 13.4), (-35.5, 8.0), (-38, 2.5),
        (-42, 0),
    ),
    nose_width=1.0,
    wing=1.0,
    cheek=4.0,
    lips=(6.4, 8.2),
    brow=(21.0, 24.6, 21.6, 2.4),
    eye_tilt=0.4,
    ear=1.0,
    neck=1.0,
    hairline=(
        (-90, 236), (-60, 224), (-38, 200), (-22, 172), (-10, 146), (0, 128), (8, 118), (16, 112), (28, 99),
        (40, 86), (52, 75), (64, 67), (76, 62), (88, 60), (100, 62), (110, 66), (117, 70), (124, 73),
        (134, 81), (146, 93), (160, 108), (168, 114), (176, 120), (184, 132), (192, 150), (204, 174), (218, 200),
        (240, 224), (270, 236),
    ),
    parting=117.0,
)  # fmt: skip

_MAYA = Face(
    name='maya',
    outline=((-102, 46), (-90, 56), (-75, 64), (-60, 68), (-20, 71), (20, 72), (60, 75), (106, 84)),
    profile=(
        (106, 0), (96, 36), (80, 61), (60, 76), (42, 83), (26, 83), (10, 77.5), (-10, 78), (-36, 79),
        (-60, 78), (-74, 74), (-86, 76), (-94, 67), (-99, 48), (-102, 0),
    ),
    flatness=((-102, 0.4), (-60, 0.4), (-20, 0.43), (30, 0.45), (106, 0.5)),
    nose=(
        (18, 0), (9, 0.8), (0, 3.0), (-12, 7.5), (-22, 11.4), (-28, 13.2), (-32, 12.0), (-35.5, 7.2), (-38, 2.5),
        (-42, 0),
    ),
    nose_width=1.14,
    wing=1.05,
    cheek=5.5,
    lips=(7.8, 9.8),
    brow=(20.5, 24.4, 20.8, 1.9),
    eye_tilt=0.7,
    ear=0.86,
    neck=0.87,
    hairline=(
        (-90, 240), (-60, 226), (-38, 200), (-22, 174), (-10, 150), (2, 130), (14, 113), (28, 99), (40, 88),
        (52, 80), (64, 74), (76, 71), (90, 70), (104, 71), (116, 74), (128, 80), (140, 88), (152, 99), (166, 113),
        (178, 130), (190, 150), (202, 174), (218, 200), (240, 226), (270, 240),
    ),
    parting=None,
)  # fmt: skip

FACES: Mapping[str, Face] = MappingProxyType({face.name: face for face in (_ROBIN, _MAYA)})
"""The faces that ship, by name."""

DEFAULT_FACE = 'robin'


def face_named(name: str) -> Face:
    """The face of that name. Raises ConfigError for an unknown one."""
    if name not in FACES:
        raise ConfigError(f'no face {name!r}; use {", ".join(FACES)}')
    return FACES[name]
