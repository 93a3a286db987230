# SPDX-License-Identifier: Apache-2.0
"""Blinks and gaze changes found in motion, generated or tracked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.layout import arkit_layout

__all__ = ['FULL_LOOK', 'Blink', 'blink_events', 'eyes_open', 'gaze_changes', 'gaze_of', 'lids_of']

FULL_LOOK = 0.6
"""Eye rotation (rad) at a look weight of 1."""
_INDEX = arkit_layout().index
_LIDS = [_INDEX('eyeBlinkLeft'), _INDEX('eyeBlinkRight')]
_SPAN = 4.0
"""Seconds around a frame from which the level of the open lid is taken."""
_RISE, _END = 0.20, 0.12
"""A blink rises to _RISE above the open lid and is over below _END."""
_JUMP = 0.1
"""Change of a look weight within _WITHIN s that counts as a gaze change."""
_WITHIN = 0.12


@dataclass(frozen=True)
class Blink:
    """``peak`` s of its deepest moment; ``depth`` above the open lid and ``closure`` in all, weights; ``duration`` s
    at half depth; ``plateau`` s near the peak; ``side`` difference of the lids at the peak; ``humps`` share
    of the depth by which it opens and closes again."""

    peak: float
    depth: float
    closure: float
    duration: float
    plateau: float
    side: float
    humps: float

    @property
    def well_formed(self) -> bool:
        """Whether it has the form of one blink: deep enough, 60 to 400 ms, one hump, both eyes alike."""
        stuck = self.plateau > 0.16 and self.duration <= 0.30
        shaped = 0.06 <= self.duration <= 0.40 and not stuck and self.humps <= 0.12
        return self.depth >= 0.30 and shaped and self.side <= 0.25

    @property
    def partial(self) -> bool:
        """Whether the eye does not close fully."""
        return self.depth < 0.75 and self.closure < 0.80


def lids_of(motion: NDArray[np.float32]) -> NDArray[np.float64]:
    """Closure of left and right lid (F, 2)."""
    return np.asarray(motion, np.float64)[:, _LIDS]


def gaze_of(motion: NDArray[np.float32]) -> NDArray[np.float64]:
    """Yaw (positive to the subject's left) and pitch (positive down) of the gaze, mean of both eyes (F, 2), rad."""

    def weight(name: str) -> NDArray[np.float64]:
        return np.asarray(motion[:, _INDEX(name)], np.float64)

    yaw = (
        weight('eyeLookOutLeft')
        - weight('eyeLookInLeft')
        + weight('eyeLookInRight')
        - weight('eyeLookOutRight')
    )
    pitch = sum(weight(f'eyeLookDown{side}') - weight(f'eyeLookUp{side}') for side in ('Left', 'Right'))
    return np.stack([yaw, np.asarray(pitch)], 1) * (FULL_LOOK / 2)


def _half_width(rise: NDArray[np.float64], peak: int, step: int) -> float | None:
    """Frames from the peak to where the lid is half open, in steps of ``step``; None beyond the clip."""
    half, i = rise[peak] / 2, peak
    while 0 <= i + step < len(rise) and rise[i + step] > half:
        i += step
    if not 0 <= i + step < len(rise):
        return None
    return abs(i - peak) + float((rise[i] - half) / max(rise[i] - rise[i + step], 1e-9))


def _open_lid(lid: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The 20th percentile of the ``size`` (odd) frames around each one: (F,).

    It computes `scipy.ndimage.percentile_filter` in NumPy, so that the node starts without loading SciPy.
    """
    rank = size // 5
    around = np.lib.stride_tricks.sliding_window_view(np.pad(lid, size // 2, mode='edge'), size)
    return np.asarray(np.partition(around, rank, axis=1)[:, rank])


def blink_events(motion: NDArray[np.float32], fps: float) -> list[Blink]:
    """Blinks of ARKit motion (F, 52 or more), without those that are cut off by an end of the clip."""
    lids = lids_of(motion)
    lid = lids.mean(1)
    rise = lid - _open_lid(lid, int(_SPAN * fps) | 1)
    found, i = [], 0
    while i < len(rise):
        if rise[i] < _RISE:
            i += 1
            continue
        first = last = i
        while last < len(rise) and rise[last] >= _END:
            last += 1
        while first > 0 and rise[first - 1] >= _END:
            first -= 1
        i = last
        peak = first + int(rise[first:last].argmax())
        before, after = _half_width(rise, peak, -1), _half_width(rise, peak, 1)
        if before is None or after is None:
            continue
        depth = float(rise[peak])
        closing, opening = rise[first : peak + 1], rise[peak:last][::-1]
        humps = max(float((np.maximum.accumulate(part) - part).max()) for part in (closing, opening))
        plateau = float((rise[first:last] >= depth - 0.1).sum()) / fps
        side = float(abs(lids[peak, 0] - lids[peak, 1]))
        found.append(
            Blink(peak / fps, depth, float(lid[peak]), (before + after) / fps, plateau, side, humps / depth)
        )
    return found


def eyes_open(motion: NDArray[np.float32], fps: float) -> NDArray[np.bool_]:
    """Frames (F,) outside blinks. During a blink, a tracker measures neither gaze nor squint."""
    open_ = np.ones(len(motion), bool)
    for blink in blink_events(motion, fps):
        open_[max(0, int((blink.peak - 0.16) * fps)) : int((blink.peak + 0.24) * fps) + 1] = False
    return open_


def gaze_changes(motion: NDArray[np.float32], fps: float) -> NDArray[np.float64]:
    """Moments (s) at which the gaze jumps, outside blinks."""
    gaze = gaze_of(motion) / FULL_LOOK
    reach = max(1, round(_WITHIN * fps))
    if len(gaze) <= reach:
        return np.zeros(0)
    jump = np.abs(gaze[reach:] - gaze[:-reach]).max(1)
    blinking = ~eyes_open(motion, fps)
    times, last = [], -1.0
    for k in np.flatnonzero(jump > _JUMP):
        now = (k + reach / 2) / fps
        # One jump exceeds the threshold for a few frames; the next one begins after the gaze has come to rest.
        if now - last > _WITHIN and not blinking[k : k + reach + 1].any():
            times.append(now)
        last = now
    return np.array(times)
