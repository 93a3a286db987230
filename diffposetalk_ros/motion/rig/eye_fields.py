# SPDX-License-Identifier: Apache-2.0
"""Displacement of lids and eyeball under the eye channels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.rig import surface as sf
from diffposetalk_ros.motion.rig.mesh import Mesh
from diffposetalk_ros.motion.rig.topology import EYE_ON_BALL, on_ball

Array = NDArray[np.float64]

_UP, _DOWN, _IN, _OUT = (float(np.radians(a)) for a in (15, 18, 22, 24))
# Position of each lid ring between the closed line (0) and the socket (1) when the eye is closed.
_SPREAD = np.array([0.0, 0.09, 0.36, 0.68, 1.0])
_MEET = 0.78
_WIDE = np.array([1.0, 0.9, 0.65, 0.3, 0.0])


def eye_fields(mesh: Mesh, position: Array, side: float) -> dict[str, Array]:
    """Fields (V, 3) of one eye (+1: the subject's left), named without side."""
    group, ring, turn = np.array(mesh.group), np.array(mesh.ring), np.array(mesh.turn)
    mine = side * position[:, 0] > 0
    lid = np.flatnonzero((group == 'lid') & mine)
    ball = np.flatnonzero((group == 'ball') & mine)
    upper = np.sin(turn[lid]) > 1e-6
    lower = np.sin(turn[lid]) < -1e-6
    k = ring[lid]

    def lids(dy: Array) -> Array:
        """Field of lid vertices that move by dy and slide over the ball."""
        field = np.zeros_like(position)
        old = position[lid][:, :2]
        new = old + np.stack([np.zeros_like(dy), dy], 1)
        rise = on_ball(new, side, sf.LID_RADIUS) - on_ball(old, side, sf.LID_RADIUS)
        on = np.array(EYE_ON_BALL)[k]
        field[lid, 1] = dy
        field[lid, 2] = np.sqrt(on) * rise
        return field

    margin = {round(float(t), 6): y for t, y, r in zip(turn[lid], position[lid, 1], k, strict=True) if r == 0}
    socket = {round(float(t), 6): y for t, y, r in zip(turn[lid], position[lid, 1], k, strict=True) if r == 4}
    own = [round(float(t), 6) for t in turn[lid]]
    other = [round(float(-t % (2 * np.pi)), 6) for t in turn[lid]]
    here = np.array([margin[t] for t in own])
    there = np.array([margin[t] for t in other])
    shut = here + np.where(upper, _MEET, np.where(lower, 1 - _MEET, 0.0)) * (there - here)
    border = np.array([socket[t] for t in own])
    # The corners do not move; elsewhere the rings spread evenly between the closed line and the socket.
    goal = np.where(upper | lower, shut + _SPREAD[k] * (border - shut), position[lid, 1])
    sine = np.abs(np.sin(turn[lid]))
    blend = np.where(k == 0, 1.0, np.minimum(1.0, 2.5 * sine))
    blink = blend * (goal - position[lid, 1])
    open_weight = _WIDE[k] * sine

    def look(axis: int, angle: float) -> Array:
        field = np.zeros_like(position)
        arm = position[ball] - sf.EYE_CENTER * [side, 1, 1]
        cos, sin = np.cos(angle) - 1, np.sin(angle)
        field[ball, axis] = arm[:, axis] * cos + arm[:, 2] * sin
        field[ball, 2] = arm[:, 2] * cos - arm[:, axis] * sin
        return field

    return {
        'eyeBlink': lids(blink),
        'eyeWide': lids(open_weight * np.where(upper, 5.4, -2.0)),
        'eyeSquint': lids(open_weight * np.where(upper, -1.2, 2.8)),
        'eyeLookUp': look(1, _UP) + lids(open_weight * np.where(upper, 2.0, 0.6)),
        'eyeLookDown': look(1, -_DOWN) + lids(np.where(upper, 0.34 * blink, -1.0 * open_weight)),
        'eyeLookIn': look(0, -side * _IN),
        'eyeLookOut': look(0, side * _OUT),
        'cheekSquint': lids(open_weight * np.where(upper, 0.0, 1.8)),
    }
