# SPDX-License-Identifier: Apache-2.0
"""A motion clip: values and the layout that names their columns; ordering of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.layout import MotionLayout, layout_for

__all__ = ['MotionClip', 'arrange', 'check_arkit', 'check_face', 'check_rate', 'layout_of']

Floats = NDArray[np.float32]
_BEYOND = {'1': 2.0, 'rad': 0.5}
"""How far a value may lie outside its range, in ranges, by unit: trackers overshoot and animators exaggerate."""


@dataclass(frozen=True, eq=False)
class MotionClip:
    """Motion of one clip: ``values`` (T, D) float32 de-normalised, in the columns of ``layout``.

    ``fps`` in frames per second; ``meta`` is free JSON-able information (``shape``: the 100 FLAME
    identity coefficients where known; ``jaw_rest``: the jaw's angles about y and z, rad). Raises
    MotionError for a wrong shape, zero frames, NaN or a frame rate out of 1..1000.
    """

    values: Floats
    fps: float
    layout: MotionLayout
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        count, width = self.values.shape
        return f'MotionClip({count} frames of {width} {self.layout.space} channels, {self.fps:g} frames/s)'

    def __post_init__(self) -> None:
        given = np.asarray(self.values)
        if given.dtype.kind not in 'fiub':
            raise MotionError(f'motion of type {given.dtype}; all values must be real numbers')
        with np.errstate(over='ignore'):
            values = np.array(given, dtype=np.float32)
        if values.ndim != 2 or values.shape[1] != self.layout.width:
            raise MotionError(
                f'motion of shape {values.shape} is not (frames, {self.layout.width}), '
                f'the width of the {self.layout.space} layout; check the space of the motion'
            )
        if len(values) == 0:
            raise MotionError('motion has 0 frames; give at least one frame')
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            frame, column = (int(i) for i in bad[0])
            raise MotionError(
                f'frame {frame}, channel {self.layout.names[column]} is {values[frame, column]}; '
                f'all values must be finite ({len(bad)} are not)'
            )
        check_rate(self.fps)
        values.flags.writeable = False
        object.__setattr__(self, 'values', values)
        object.__setattr__(self, 'fps', float(self.fps))
        if not isinstance(self.meta, Mapping):
            raise MotionError(
                f'meta is a {type(self.meta).__name__}; it must be an object of names and values'
            )
        object.__setattr__(self, 'meta', dict(self.meta))

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.values) / self.fps


def check_arkit(clip: MotionClip) -> None:
    """Raise MotionError for motion of another space, whose columns are not ARKit weights."""
    if clip.layout.space != 'arkit':
        raise MotionError(f'{clip.layout.space} motion has no ARKit weights; generate with an arkit model')


def check_rate(fps: float) -> None:
    """Raise MotionError for a frame rate that no motion has, also NaN."""
    if not 1.0 <= float(fps) <= 1000.0:
        raise MotionError(f'frame rate {fps} is out of range; use 1 to 1000 frames per second')


def check_face(clip: MotionClip) -> None:
    """Raise MotionError if values are far outside their range, as per cent or degrees are."""
    lower = np.array([channel.lower for channel in clip.layout.channels])
    upper = np.array([channel.upper for channel in clip.layout.channels])
    beyond = np.array([_BEYOND[channel.unit] for channel in clip.layout.channels]) * (upper - lower)
    bad = np.argwhere((clip.values < lower - beyond) | (clip.values > upper + beyond))
    if not len(bad):
        return
    frame, column = (int(i) for i in bad[0])
    channel = clip.layout.channels[column]
    unit, hint = (' rad', ', not degrees') if channel.unit == 'rad' else ('', '')
    if channel.unit == '1' and clip.layout.space == 'arkit':
        hint = '; divide per cent by 100'
    raise MotionError(
        f'frame {frame}, channel {channel.name} is {clip.values[frame, column]:g}; '
        f'it goes from {channel.lower:.3g} to {channel.upper:.3g}{unit}{hint} ({len(bad)} values are far outside)'
    )


def layout_of(space: object, names: Sequence[str]) -> MotionLayout:
    """Layout of a space, with the head if any head column is named. Raises MotionError otherwise."""
    if space not in ('arkit', 'flame'):
        raise MotionError(f"motion space {space!r} is unknown; it must be 'arkit' or 'flame'")
    with_head, without = layout_for(str(space), True), layout_for(str(space), False)
    lower = {name.lower() for name in names}
    has_head = any(name.lower() in lower for name in set(with_head.names) - set(without.names))
    return with_head if has_head else without


def arrange(values: Floats, names: Sequence[str], layout: MotionLayout) -> Floats:
    """Columns of ``values`` (T, N) in layout order; N names are compared without case.

    Raises MotionError for missing, extra or doubled names.
    """
    lower = [name.strip().lower() for name in names]
    doubled = [name for name in lower if lower.count(name) > 1]
    if doubled:
        raise MotionError(f'column {doubled[0]} occurs more than once; keep one')
    place = {name: column for column, name in enumerate(lower)}
    missing = [name for name in layout.names if name.lower() not in place]
    if missing:
        raise MotionError(f'{len(missing)} {layout.space} columns are missing: {_some(missing)}')
    known = {name.lower() for name in layout.names}
    extra = [name for name in names if name.strip().lower() not in known]
    if extra:
        raise MotionError(f'columns not of the {layout.space} space: {_some(extra)}; remove them')
    if values.ndim != 2 or values.shape[1] != len(names):
        raise MotionError(f'values of shape {values.shape} do not fit {len(names)} channel names')
    return values[:, [place[name.lower()] for name in layout.names]]


def _some(names: Sequence[str]) -> str:
    return ', '.join(names[:4]) + (', ...' if len(names) > 4 else '')
