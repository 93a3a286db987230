# SPDX-License-Identifier: Apache-2.0
"""When the lips of a page close, less when its sound does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.benchmark.page.talking_source import RATE, SpokenClip


def closure_offsets(
    drawn: NDArray[np.float64], heard: NDArray[np.float64]
) -> tuple[NDArray[np.float64], int]:
    """Middle of each closure of the lips less that of the silence (n,) in ms; and closures heard.

    ``drawn`` (N, 2): time seen, opening in mm; ``heard`` (M, 2): time, level. Both in ms.
    """
    silences = _valleys(heard[:, 0], heard[:, 1], 0.5 * np.quantile(heard[:, 1], 0.9), (60, 200))
    closures = _valleys(drawn[:, 0], drawn[:, 1], 0.5 * np.quantile(drawn[:, 1], 0.9), (30, 250))
    if not len(silences) or not len(closures):
        return np.zeros(0), len(silences)
    near = closures[np.abs(closures[None] - silences[:, None]).argmin(axis=1)]
    offset = near - silences
    return offset[np.abs(offset) < 150], len(silences)


def _valleys(
    times: NDArray[np.float64], values: NDArray[np.float64], level: float, lengths: tuple[float, float]
) -> NDArray[np.float64]:
    """Middles of the spans below ``level``, crossings interpolated, of a length (ms) in between."""
    below = values < level
    edges = np.flatnonzero(below[1:] != below[:-1])
    share = (level - values[edges]) / (values[edges + 1] - values[edges])
    crossing = times[edges] + share * (times[edges + 1] - times[edges])
    down = crossing[below[edges + 1]]
    up = crossing[~below[edges + 1]]
    up = up[up > down[0]] if len(down) else up
    count = min(len(down), len(up))
    length = up[:count] - down[:count]
    middle = (up[:count] + down[:count]) / 2
    return np.asarray(middle[(length > lengths[0]) & (length < lengths[1])])


def spoken_offsets(
    drawn: NDArray[np.float64],
    heard: NDArray[np.float64],
    clip: SpokenClip,
    closures: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Middle of the lips' closure less that of the sound's gap (n,) in ms at ``closures`` (s, in the clip).

    ``drawn`` and ``heard`` as in `closure_offsets`. The clip's place in what was heard is found by
    correlation of the levels.
    """
    grid = np.arange(heard[0, 0], heard[-1, 0], 5.0)
    level = np.interp(grid, *heard.T)
    sound = clip.sound(0.0, round(clip.seconds * RATE))
    known = np.sqrt(np.convolve(sound**2, np.full(128, 1 / 128), 'same')[:: RATE // 200])
    lags = np.correlate(level - level.mean(), known - known.mean(), 'full')
    begin = grid[0] + 5.0 * (int(lags.argmax()) - len(known) + 1)
    out = []
    for repeat in range(-1, 1 + int((grid[-1] - begin) / 1e3 / clip.seconds)):
        for closure in closures:
            at = begin + 1e3 * (closure + repeat * clip.seconds)
            gap = _gap(heard, at, 60.0, 0.3)
            lips = _gap(drawn, at, 120.0, 2.5)
            if gap is not None and lips is not None:
                out.append(lips - gap)
    return np.array(out)


def _gap(curve: NDArray[np.float64], at: float, reach: float, level: float) -> float | None:
    """Middle of the lowest stretch of a curve (N, 2) near ``at``: below ``level``, or where that is less
    than 1 below that share of the highest value around."""
    times, values = curve.T
    around = np.abs(times - at) < 200
    near = np.flatnonzero(np.abs(times - at) < reach)
    if not len(near) or times[0] > at - 250 or times[-1] < at + 250:
        return None
    limit = level if level > 1 else level * values[around].max()
    low = high = int(near[values[near].argmin()])
    if values[low] >= limit:
        return None
    while low > 0 and values[low - 1] < limit:
        low -= 1
    while high < len(values) - 1 and values[high + 1] < limit:
        high += 1
    if low == 0 or high == len(values) - 1:
        return None
    ends = []
    for inside, outside in ((low, low - 1), (high, high + 1)):
        share = (limit - values[inside]) / (values[outside] - values[inside])
        ends.append(times[inside] + share * (times[outside] - times[inside]))
    return (ends[0] + ends[1]) / 2 if 20 < ends[1] - ends[0] < 250 else None
