# SPDX-License-Identifier: Apache-2.0
"""Face parameters to joint positions: linear and piecewise maps, neck angles, couplings, clearances.

                      sources (gain or points)                 clearances: pull to rest
    row (D,) ---------------------------------> + offset ----> until nothing collides
       `- head rotation -> neck angles ---------^   dead band, limits        |
                                                                             v
    driven joints (R,) --- speed, acceleration, jerk: joint_limits ---> all joints (J,): followers

A *driven* joint has its own target. A *follower* is rigidly coupled to another joint
(``gain * q + offset``: a lid on the same rod, the antagonist of a pair of tendons). It stays in step
because it is computed from the driven joint's limited position and never limited separately. Limits
and caps of its driven joint are narrowed so that the follower's limits hold too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.motion.layout import MotionLayout
from diffposetalk_ros.motion.rotation import flame_to_ros, vector_to_quaternion

__all__ = ['Clearance', 'Follow', 'Joint', 'JointMap', 'NeckMap', 'Source', 'neck_angles']

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Source:
    """Contribution of a channel to a joint: ``gain`` times its value, or the curve through ``points``.

    ``points`` (value of the channel, joint position) have rising values; the curve is flat outside.
    """

    channel: str
    gain: float = 0.0
    points: tuple[tuple[float, float], ...] = ()

    def scaled(self, factor: float) -> Source:
        """The source with ``factor`` times the effect on its joint."""
        return Source(self.channel, self.gain * factor, tuple((x, y * factor) for x, y in self.points))


@dataclass(frozen=True)
class Follow:
    """Rigid coupling: position = gain * position of ``joint`` + offset."""

    joint: str
    gain: float
    offset: float = 0.0


@dataclass(frozen=True)
class Joint:
    """One joint; lengths in ``unit`` ('rad' or 'm'), times in s.

    ``offset`` is the position of the neutral face, ``rest`` the position when no motion is
    shown. ``delay`` is the lag of the servo behind its command. It is compensated as far as the
    input is known ahead. Deviations from ``offset`` below ``dead_band`` are dropped.
    """

    name: str
    unit: str
    limits: tuple[float, float]
    speed: float
    acceleration: float
    jerk: float
    offset: float = 0.0
    rest: float = 0.0
    delay: float = 0.0
    dead_band: float = 0.0
    sources: tuple[Source, ...] = ()
    follows: Follow | None = None


@dataclass(frozen=True)
class NeckMap:
    """Up to three neck joints from the base to the head, each turning about '+x', '-y', ... (REP-103).

    ``gain`` scales the head's rotation angle before it is split into joint angles.
    """

    joints: tuple[str, ...]
    axes: tuple[str, ...]
    gain: float = 1.0


@dataclass(frozen=True)
class Clearance:
    """Joints that would touch: the sum of weight * position stays at or below ``below``."""

    name: str
    terms: tuple[tuple[str, float], ...]
    below: float


def neck_angles(rotation: ArrayLike, axes: tuple[str, ...]) -> Floats:
    """Joint angles (..., n) of a neck from head rotation vectors (..., 3) in ROS axes, rad.

    Three axes, all different, in any order from the base: exact (Tait-Bryan angles). Two: exact up to
    the turn about the missing axis, taken as the innermost. One: the share of the turn about it
    (swing-twist decomposition).
    """
    indices = ['xyz'.index(axis[1]) for axis in axes]
    signs = np.array([1.0 if axis[0] == '+' else -1.0 for axis in axes])
    quaternion = vector_to_quaternion(rotation)
    q, w = np.moveaxis(quaternion[..., :3], -1, 0), quaternion[..., 3]
    if len(indices) == 1:
        angle = 2 * np.arctan2(q[indices[0]], w)
        return np.asarray(((angle + np.pi) % (2 * np.pi) - np.pi)[..., None] * signs)
    i, j = indices[:2]
    k = 3 - i - j
    parity = 1.0 if (j - i) % 3 == 1 else -1.0
    # Entries of R = R_i R_j R_k (Tait-Bryan).
    r_ik = 2 * (q[i] * q[k] + parity * q[j] * w)
    r_jk = 2 * (q[j] * q[k] - parity * q[i] * w)
    r_ij = 2 * (q[i] * q[j] - parity * q[k] * w)
    r_kk = 1 - 2 * (q[i] ** 2 + q[j] ** 2)
    r_ii = 1 - 2 * (q[j] ** 2 + q[k] ** 2)
    angles = [
        np.arctan2(-parity * r_jk, r_kk),
        np.arcsin(np.minimum(np.maximum(parity * r_ik, -1.0), 1.0)),
        np.arctan2(-parity * r_ij, r_ii),
    ]
    return np.asarray(np.stack(angles[: len(axes)], axis=-1) * signs)


class JointMap:
    """A checked map, compiled to a few matrices. Made by `joint_map_file.load_joint_map`.

    ``names`` are all joints in the file's order; ``driven`` the indices of those with their own
    target. Arrays with a value per driven joint: ``lower``, ``upper``, ``rest``, ``speed``,
    ``acceleration``, ``jerk``, ``delay``. Clearances in driven joints: ``clearance`` (C, R) and
    ``clearance_limit`` (C,), each row at most its limit.
    """

    def __init__(
        self,
        robot: str,
        layout: MotionLayout,
        joints: tuple[Joint, ...],
        neck: NeckMap | None = None,
        clearances: tuple[Clearance, ...] = (),
    ) -> None:
        self.robot, self.layout, self.joints, self.neck = robot, layout, joints, neck
        self.clearances = clearances
        self.names = tuple(joint.name for joint in joints)
        self.driven = np.array([i for i, joint in enumerate(joints) if joint.follows is None], np.intp)
        driven = [joints[i] for i in self.driven]
        # all joints = coupling @ driven + coupling_offset
        self.coupling, self.coupling_offset = self._couplings()
        self.offset = np.array([joint.offset for joint in driven])
        self.rest = np.array([joint.rest for joint in driven])
        self.delay = np.array([joint.delay for joint in driven])
        self._dead_band = np.array([joint.dead_band for joint in driven])
        self._has_dead_band = bool(self._dead_band.any())
        self.lower, self.upper = self._narrowed_limits()
        self.speed = self._narrowed_caps([joint.speed for joint in joints])
        self.acceleration = self._narrowed_caps([joint.acceleration for joint in joints])
        self.jerk = self._narrowed_caps([joint.jerk for joint in joints])
        self.clearance, self.clearance_limit = self._clearances()
        self._compile_sources(driven)
        self._compile_groups()

    # ---- compilation -----------------------------------------------------------------------------

    def _couplings(self) -> tuple[Floats, Floats]:
        place = {int(index): column for column, index in enumerate(self.driven)}
        matrix, offset = np.zeros((len(self.joints), len(self.driven))), np.zeros(len(self.joints))
        for i in range(len(self.joints)):
            gain, shift, k = 1.0, 0.0, i
            follow = self.joints[k].follows
            while follow is not None:
                shift += gain * follow.offset
                gain *= follow.gain
                k = self.names.index(follow.joint)
                follow = self.joints[k].follows
            matrix[i, place[k]], offset[i] = gain, shift
        return matrix, offset

    def _narrowed_limits(self) -> tuple[Floats, Floats]:
        lower, upper = np.full(len(self.driven), -np.inf), np.full(len(self.driven), np.inf)
        for i, joint in enumerate(self.joints):
            column = int(np.flatnonzero(self.coupling[i])[0])
            ends = (np.array(joint.limits) - self.coupling_offset[i]) / self.coupling[i, column]
            lower[column] = max(lower[column], ends.min())
            upper[column] = min(upper[column], ends.max())
        return lower, upper

    def _narrowed_caps(self, caps: list[float]) -> Floats:
        with np.errstate(divide='ignore'):
            return np.asarray((np.array(caps)[:, None] / np.abs(self.coupling)).min(axis=0))

    def _clearances(self) -> tuple[Floats, Floats]:
        rows, limits = [], []
        for clearance in self.clearances:
            weights = np.zeros(len(self.joints))
            for name, weight in clearance.terms:
                weights[self.names.index(name)] += weight
            rows.append(weights @ self.coupling)
            limits.append(clearance.below - weights @ self.coupling_offset)
        return np.array(rows).reshape(-1, len(self.driven)), np.array(limits)

    def _compile_sources(self, driven: list[Joint]) -> None:
        # A piecewise curve is its first value plus hinges: slope change * max(0, x - breakpoint).
        self._linear = np.zeros((len(driven), self.layout.width))
        self._constant = np.zeros(len(driven))
        hinges: list[tuple[int, float, int, float]] = []
        for k, joint in enumerate(driven):
            for source in joint.sources:
                column = self.layout.index(source.channel)
                if not source.points:
                    self._linear[k, column] += source.gain
                    continue
                x, y = np.array(source.points).T
                slopes = np.concatenate([[0.0], np.diff(y) / np.diff(x), [0.0]])
                self._constant[k] += y[0]
                hinges += [(column, at, k, turn) for at, turn in zip(x, np.diff(slopes), strict=True)]
        self._hinge_column = np.array([hinge[0] for hinge in hinges], np.intp)
        self._hinge_at = np.array([hinge[1] for hinge in hinges])
        self._hinge = np.zeros((len(driven), len(hinges)))
        for i, (_, _, k, turn) in enumerate(hinges):
            self._hinge[k, i] = turn
        self._neck_rows = np.array(
            [] if self.neck is None else [np.flatnonzero(self._is(n))[0] for n in self.neck.joints], np.intp
        )

    def _is(self, name: str) -> NDArray[np.bool_]:
        return np.array([self.names[i] == name for i in self.driven])

    def _compile_groups(self) -> None:
        """Group the clearances that share joints; the joints of a group move back in step."""
        groups: list[tuple[list[int], NDArray[np.bool_]]] = []
        for row, weights in enumerate(self.clearance):
            rows, members = [row], weights != 0
            for group in [g for g in groups if (g[1] & members).any()]:
                groups.remove(group)
                rows, members = group[0] + rows, group[1] | members
            groups.append((rows, members))
        # Clearances group after group, where each group begins, and the group of each driven joint;
        # the last group has the joints without clearances.
        order = np.array([row for rows, _ in groups for row in rows], np.intp)
        self._grouped, self._grouped_limit = self.clearance[order], self.clearance_limit[order]
        self._grouped_room = self._grouped_limit - self._grouped @ self.rest
        self._group_begin = np.cumsum([0, *(len(rows) for rows, _ in groups[:-1])])
        self._group_of = np.full(len(self.driven), len(groups))
        for number, (_, members) in enumerate(groups):
            self._group_of[members] = number

    # ---- use -------------------------------------------------------------------------------------

    def evaluate(self, rows: ArrayLike) -> Floats:
        """Targets (..., R) of the driven joints for de-normalised motion (..., D), within all limits.

        Values that are not finite count as neutral.
        """
        x = np.asarray(rows, np.float64)
        if not np.isfinite(x).all():
            x = np.where(np.isfinite(x), x, 0.0)
        deviation = x @ self._linear.T + self._constant
        if len(self._hinge_at):
            deviation += np.maximum(x[..., self._hinge_column] - self._hinge_at, 0.0) @ self._hinge.T
        if self.neck is not None and self.layout.head_rotation is not None:
            turn = flame_to_ros(x[..., self.layout.head_rotation]) * self.neck.gain
            deviation[..., self._neck_rows] += neck_angles(turn, self.neck.axes)
        if self._has_dead_band:
            size = np.maximum(np.abs(deviation) - self._dead_band, 0.0)
            deviation = np.copysign(size, deviation)
        return self.clear(np.minimum(np.maximum(self.offset + deviation, self.lower), self.upper))

    def clear(self, positions: Floats) -> Floats:
        """Positions (..., R) that keep every clearance: the joints of a violated one move back towards rest in step.

        Rest keeps every clearance and the path is straight, so the result keeps clearances and limits.
        """
        excess = positions @ self._grouped.T - self._grouped_limit
        if (excess <= 0).all():
            return positions
        share = self._grouped_room / (self._grouped_room + np.maximum(excess, 0.0))
        shares = np.ones((*share.shape[:-1], len(self._group_begin) + 1))
        shares[..., :-1] = np.minimum.reduceat(share, self._group_begin, axis=-1)
        return np.asarray(self.rest + shares[..., self._group_of] * (positions - self.rest))

    def expand(self, driven: ArrayLike) -> Floats:
        """Positions (..., J) of all joints from those of the driven (..., R)."""
        return np.asarray(np.asarray(driven, np.float64) @ self.coupling.T + self.coupling_offset)

    def expand_rates(self, driven: ArrayLike) -> Floats:
        """Speeds or accelerations (..., J) of all joints from those of the driven (..., R)."""
        return np.asarray(np.asarray(driven, np.float64) @ self.coupling.T)
