# SPDX-License-Identifier: Apache-2.0
"""Measures of liveliness: eyes, brows, gaze, smile and head in figures that can be compared with filmed people.

Definitions and people's quartiles: docs/alive.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks, welch

from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.nonverbal.eye_measures import blink_events, eyes_open, gaze_changes, gaze_of
from diffposetalk_ros.nonverbal.signals import signals_of

__all__ = ['BANDS', 'aliveness', 'head_bands', 'seam_ratio', 'spread_of']

BANDS: Final = ((0.0, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 8.0), (8.0, 12.5))
"""Hz."""
_LAYOUT = arkit_layout()
_PAIRS = [
    (_LAYOUT.index(name), _LAYOUT.index(name.replace('Left', 'Right')))
    for name in _LAYOUT.names
    if name.endswith('Left') and not name.startswith('eyeLook') and name not in ('jawLeft', 'mouthLeft')
]
_DEGREES = 180 / np.pi

Floats = NDArray[np.float32]


def spread_of(values: NDArray[Any]) -> float:
    """5th to 95th percentile."""
    low, high = np.quantile(values, [0.05, 0.95])
    return float(high - low)


def head_bands(head: NDArray[Any], fps: float) -> list[float]:
    """Share of the power of head rotation (F, 3) in each of `BANDS`; Welch, Hann, 4 s windows."""
    size = min(len(head), round(4 * fps))
    frequency, power = welch(head - head.mean(0), fps, 'hann', size, axis=0, detrend='constant')
    power = power.sum(1)
    total = power[frequency > 0].sum()
    return [
        float(power[(frequency > 0) & (frequency >= low) & (frequency < high)].sum() / max(total, 1e-12))
        for low, high in BANDS
    ]


def seam_ratio(values: Floats, seams: Sequence[int]) -> float:
    """Root mean square change (F, n) into the frames of ``seams``, over that of all others."""
    change = (np.diff(values.astype(np.float64), axis=0) ** 2).sum(1)
    at = np.zeros(len(change), bool)
    at[[seam - 1 for seam in seams if 0 < seam <= len(change)]] = True
    return float(np.sqrt(change[at].mean() / max(change[~at].mean(), 1e-18)))


def _raises(values: NDArray[Any], fps: float) -> int:
    peaks, _ = find_peaks(values, prominence=0.1, width=0.12 * fps)
    return len(peaks)


def aliveness(motion: Floats, fps: float) -> dict[str, float]:
    """Figures of ARKit motion (F, 55). Angles in degrees, speeds in degrees/s, rates per minute."""
    minutes = len(motion) / fps / 60

    def of(*names: str) -> NDArray[np.float64]:
        return np.asarray(np.mean([motion[:, _LAYOUT.index(name)] for name in names], axis=0), np.float64)

    blinks = blink_events(motion, fps)
    good = [blink for blink in blinks if blink.well_formed]
    durations = np.array([blink.duration for blink in good]) if good else np.full(1, np.nan)
    inner, outer = of('browInnerUp'), of('browOuterUpLeft', 'browOuterUpRight')
    head = motion[:, 52:55].astype(np.float64) * _DEGREES
    velocity = np.diff(head, axis=0) * fps
    acceleration = np.diff(velocity, axis=0) * fps
    speed = float(np.sqrt((velocity**2).sum(1).mean()))
    steps = round(0.04 * fps)
    bands = head_bands(head, fps)
    left, right = (motion[:, [pair[side] for pair in _PAIRS]].astype(np.float64) for side in (0, 1))
    open_ = eyes_open(motion, fps)
    gaze = gaze_of(motion)[open_] if open_.any() else gaze_of(motion)
    signals = signals_of(motion)
    pitch = head[:, 0]
    nodding = pitch - np.convolve(
        np.pad(pitch, round(fps / 2), 'edge'), np.ones(2 * round(fps / 2) + 1), 'valid'
    ) / (2 * round(fps / 2) + 1)
    return {
        'seconds': 60 * minutes,
        'blinks': len(good) / minutes,
        'blinks_well_formed': len(good) / len(blinks) if blinks else float('nan'),
        'blinks_partial': float(np.mean([b.partial for b in good])) if good else float('nan'),
        'blink_ms_p10': float(1000 * np.quantile(durations, 0.1)),
        'blink_ms_p50': float(1000 * np.quantile(durations, 0.5)),
        'blink_ms_p90': float(1000 * np.quantile(durations, 0.9)),
        'brow_raises': (_raises(inner, fps) + _raises(outer, fps)) / 2 / minutes,
        'brow_inner_range': spread_of(inner),
        'brow_outer_range': spread_of(outer),
        'brow_down_range': spread_of(of('browDownLeft', 'browDownRight')),
        'squint_sd': float(of('eyeSquintLeft', 'eyeSquintRight').std()),
        'gaze_changes': len(gaze_changes(motion, fps)) / minutes,
        'gaze_sd': float(np.sqrt(gaze.var(0).sum()) * _DEGREES),
        'on_listener': float((np.hypot(*(gaze - np.median(gaze, 0)).T) < np.radians(4)).mean()),
        'smile_mean': float(signals[:, 7].mean()),
        'smile_sd': float(signals[:, 7].std()),
        'stretch_sd': float(of('mouthStretchLeft', 'mouthStretchRight').std()),
        'jaw_sd': float(of('jawOpen').std()),
        'pitch_range': spread_of(head[:, 0]),
        'yaw_range': spread_of(head[:, 1]),
        'roll_range': spread_of(head[:, 2]),
        'nod_rms': float(np.sqrt((nodding**2).mean())),
        'head_speed': speed,
        'head_autocorrelation': float(
            (velocity[steps:] * velocity[:-steps]).sum() / max((velocity**2).sum(), 1e-12)
        ),
        'head_acceleration_per_speed': float(np.sqrt((acceleration**2).sum(1).mean()) / max(speed, 1e-9)),
        'head_above_2_hz': sum(bands[3:]),
        **{f'head_{low:g}_{high:g}_hz': share for (low, high), share in zip(BANDS, bands, strict=True)},
        'asymmetry': float((np.abs(left - right).mean(0) / ((left + right).mean(0) / 2 + 0.01)).mean()),
    }
