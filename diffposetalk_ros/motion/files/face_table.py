# SPDX-License-Identifier: Apache-2.0
"""Converts rows of a face tracker (any names, any times, some without a face) to a clip of evenly spaced frames."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.files.timecode import frame_rate
from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES, arkit_layout
from diffposetalk_ros.motion.motion_clip import MotionClip, check_rate

__all__ = ['FaceTable', 'arkit_name']

_log = logging.getLogger(__name__)

_FEWEST_CHANNELS = 10
"""A table that knows fewer of the 52 is of something else."""
_LONGEST_GROWTH = 20
"""Holes may make a table so many times longer, and by `_ALLOWED_ROWS` rows."""
_ALLOWED_ROWS = 20_000
_HEAD = ('headrotationx', 'headrotationy', 'headrotationz')
_EULER = ('headyaw', 'headpitch', 'headroll')
_EVEN = 0.2
"""Share of a frame that a time may be away from an even grid and still be taken as it is: labels are rounded."""


def _plain(name: str) -> str:
    return ''.join(letter for letter in name.rpartition('.')[2].lower() if letter.isalnum())


def _spellings() -> dict[str, str]:
    table = {}
    for name in ARKIT_BLENDSHAPES:
        table[name.lower()] = name
        for side in ('Left', 'Right'):
            if name.endswith(side):  # Apple's own constants read eyeBlink_L
                table.setdefault((name.removesuffix(side) + side[0]).lower(), name)
    return table


_SPELLINGS = _spellings()


def arkit_name(name: str) -> str | None:
    """ARKit's name of a column written as jawOpen, JawOpen, jaw_open, eyeBlink_L or blendShapes.JawOpen, or None."""
    return _SPELLINGS.get(_plain(name))


@dataclass
class FaceTable:
    """ARKit weights and head angles as another program wrote them.

    ``names``: of the columns (C,). ``values`` (n, C), where a row without a face is NaN throughout. ``times`` (n,)
    in s, not decreasing, or None if they follow from ``fps``. ``notes`` lists what had to be corrected.
    """

    names: Sequence[str]
    values: NDArray[np.float64]
    times: NDArray[np.float64] | None = None
    fps: float | None = None
    notes: list[str] = field(default_factory=list)

    def clip(self) -> MotionClip:
        """Frames at an even rate. ``meta['notes']`` repeats what is logged: channels that are missing and set to 0,
        columns that were ignored, rows without a face and gaps in time that were bridged.

        Raises MotionError for columns that are not of a face, no row with a face, or times that contradict the rate,
        or a rate that no motion has.
        """
        values, names, ignored = self._columns()
        seen: NDArray[np.bool_] = np.asarray(np.isfinite(values).any(axis=1))
        if not len(values):
            raise MotionError('motion has 0 frames; give at least one frame')
        if not seen.any():
            raise MotionError(
                f'none of the {len(values)} rows holds a face; record again with the face in view'
            )
        if not seen.all():
            self.notes.append(
                f'{int((~seen).sum())} of {len(seen)} rows hold no face; the motion is drawn through'
            )
        layout = arkit_layout(names[-1] == 'headRotationZ')
        times, rate = self._clock(len(values))
        rows = _evenly(values, seen, times, rate, layout.head_rotation, self.notes)
        for note in self.notes:
            _log.warning('%s', note)
        meta: dict[str, Any] = {'ignored_columns': ignored} if ignored else {}
        if self.notes:
            meta['notes'] = list(self.notes)
        return MotionClip(rows.astype(np.float32), rate, layout, meta)

    def _columns(self) -> tuple[NDArray[np.float64], list[str], list[str]]:
        """Values in the layout's columns, the layout's names, and the names of columns that are not used."""
        place: dict[str, int] = {}
        ignored = []
        for column, name in enumerate(self.names):
            plain = _plain(name)
            known = arkit_name(name) or (plain if plain in (*_HEAD, *_EULER) else None)
            if known is None:
                ignored += [name] if plain != 'neutral' else []  # MediaPipe's _neutral is not a movement
            elif known in place:
                raise MotionError(f'column {name} occurs more than once; keep one')
            else:
                place[known] = column
        missing = [name for name in ARKIT_BLENDSHAPES if name not in place]
        if len(ARKIT_BLENDSHAPES) - len(missing) < _FEWEST_CHANNELS:
            raise MotionError(f'{len(missing)} arkit columns are missing: {", ".join(missing[:4])}, ...')
        if missing:
            self.notes.append(f'{len(missing)} channels are not in the file and stay 0: {", ".join(missing)}')
        if ignored:
            self.notes.append(f'{len(ignored)} columns are ignored: {", ".join(ignored)}')
        faces = self.values[:, [place[name] for name in ARKIT_BLENDSHAPES if name in place]]
        seen: NDArray[np.bool_] = np.asarray(np.isfinite(faces).any(axis=1))
        head = self._head(place, seen)
        out = np.zeros((len(self.values), 52 if head is None else 55))
        for i, name in enumerate(ARKIT_BLENDSHAPES):
            if name in place:
                out[:, i] = self.values[:, place[name]]
        if head is not None:
            out[:, 52:] = head
        out[~seen] = np.nan
        names = [*ARKIT_BLENDSHAPES, *(() if head is None else arkit_layout().names[52:])]
        return out, names, ignored

    def _head(self, place: dict[str, int], seen: NDArray[np.bool_]) -> NDArray[np.float64] | None:
        if all(name in place for name in _HEAD):
            return self.values[:, [place[name] for name in _HEAD]]
        if not all(name in place for name in _EULER):
            return None
        angles = np.where(seen[:, None], self.values[:, [place[name] for name in _EULER]], 0.0)
        if np.abs(angles).max(initial=0.0) > 2 * np.pi:
            self.notes.append(
                'the angles of the head are far beyond a turn in radians and are taken for degrees'
            )
            angles = np.radians(angles)
        finite = np.isfinite(angles).all(axis=1)
        angles[~finite] = 0.0
        from scipy.spatial.transform import Rotation  # late, so that the node starts without SciPy

        vectors = Rotation.from_euler('YXZ', angles).as_rotvec()
        vectors[~finite] = np.nan
        return np.asarray(vectors)

    def _clock(self, rows: int) -> tuple[NDArray[np.float64], float]:
        """Times (n,) from 0 on and the frame rate. Raises MotionError where they contradict each other."""
        if self.fps is not None:
            check_rate(self.fps)
        if self.times is None or rows < 2 or self.times[-1] <= self.times[0]:
            if self.fps is None:
                raise MotionError(
                    'the file does not state its frame rate (no times, no fps); give it with --motion-fps, in '
                    'Python with fps='
                )
            return np.arange(rows) / self.fps, self.fps
        times = _spread(self.times - self.times[0], self.notes)
        rate = frame_rate(np.unique(times))
        if not 1.0 <= rate <= 1000.0:
            raise MotionError(f'the times of the rows give {rate:.4g} rows a second; use 1 to 1000')
        if self.fps is not None and abs(self.fps - rate) > 0.02 * self.fps:
            raise MotionError(
                f'the file says {self.fps:g} frames a second, and its times {rate:.4g}; correct one of them, or give '
                'the rate with --motion-fps, in Python with fps='
            )
        return times, self.fps or rate


def _spread(times: NDArray[np.float64], notes: list[str]) -> NDArray[np.float64]:
    """Spread rows with the same time evenly up to the next time, as for 60 rows a second on a base of 30."""
    first = np.flatnonzero(np.concatenate([[True], np.diff(times) > 0]))
    lengths = np.diff(np.concatenate([first, [len(times)]]))
    usual = int(np.median(lengths))
    if usual < 2:
        if len(first) < len(times):
            notes.append(
                f'{len(times) - len(first)} rows repeat the time of the row before; the last one counts'
            )
        return times
    step = float(np.median(np.diff(times[first]))) if len(first) > 1 else 0.0
    inside = np.arange(len(times)) - np.repeat(first, lengths)
    return np.asarray(times + inside * step / np.maximum(np.repeat(lengths, lengths), usual))


def _evenly(
    values: NDArray[np.float64],
    seen: NDArray[np.bool_],
    times: NDArray[np.float64],
    rate: float,
    head: slice | None,
    notes: list[str],
) -> NDArray[np.float64]:
    count = round((times[-1] - times[0]) * rate) + 1
    if count > _LONGEST_GROWTH * len(values) + _ALLOWED_ROWS:
        raise MotionError(
            f'{len(values)} rows at {rate:.4g} a second span {times[-1]:.0f} s; most of the time is missing, cut the '
            'take into its parts'
        )
    grid = np.arange(count) / rate
    if seen.all() and count == len(values) and np.abs(times - grid).max() < _EVEN / rate:
        return values
    last = np.concatenate([np.diff(times) > 0, [True]]) & seen
    known, rows = times[last], values[last]
    gaps = np.diff(times[np.concatenate([np.diff(times) > 0, [True]])])
    holes = int(np.maximum(0, np.round(gaps * rate) - 1).sum())
    if holes:
        notes.append(f'{holes} frames are missing in the times of the rows; the motion is drawn through')
    even = np.stack([np.interp(grid, known, column) for column in rows.T], axis=1)
    if head is not None and len(known) > 1:
        from scipy.spatial.transform import Rotation, Slerp

        path = Slerp(known, Rotation.from_rotvec(rows[:, head]))
        even[:, head] = path(np.clip(grid, known[0], known[-1])).as_rotvec()
    return even
