# SPDX-License-Identifier: Apache-2.0
"""Motion as a table in the manner of Live Link Face: one row per frame, one named column per channel."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.motion_clip import MotionClip, arrange, layout_of

__all__ = ['encode_csv', 'read_csv']

# Columns Live Link Face adds: the eye angles repeat eyeLook*, the head angles have other axes.
_LIVE_LINK_EXTRA = {
    f'{part}{angle}'.lower() for part in ('Head', 'LeftEye', 'RightEye') for angle in ('Yaw', 'Pitch', 'Roll')
}


def read_csv(path: Path, fps: float | None) -> MotionClip:
    """Clip of a table; ``fps`` overrides its rate. Raises MotionError, or ValueError for no number."""
    with path.open(newline='', encoding='utf-8-sig') as stream:
        rows = [row for row in csv.reader(stream) if row]
    if not rows:
        raise MotionError('the file is empty; the first line must name the columns')
    names = [name.strip() for name in rows[0]]
    for other, word in ((';', 'semicolons'), ('\t', 'tabulators')):
        if len(names) == 1 and other in names[0]:
            raise MotionError(f'its cells are separated by {word}; save it with commas and decimal points')
    lower = [name.lower() for name in names]
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            raise MotionError(f'line {number} has {len(row)} cells, the header {len(names)}')
    if len(rows) == 1:
        raise MotionError('motion has 0 frames; give at least one frame')
    ignored = [name for name in names if name.lower() in _LIVE_LINK_EXTRA]
    aside = {'timecode', 'frame', 'blendshapecount', 'fps'} | {name.lower() for name in ignored}
    columns = [i for i, name in enumerate(lower) if name not in aside]
    kept = [names[i] for i in columns]
    layout = layout_of('flame' if 'exp00' in lower else 'arkit', kept)
    values = np.array([_numbers(row, columns, names, line) for line, row in enumerate(rows[1:], start=2)])
    if 'timecode' in lower:
        _check_order([row[lower.index('timecode')] for row in rows[1:]])
    if fps is None:
        if 'fps' in lower:
            fps = float(rows[1][lower.index('fps')])
        else:
            fps = _rate([row[lower.index('timecode')] for row in rows[1:]] if 'timecode' in lower else [])
    meta = {'ignored_columns': ignored} if ignored else {}
    return MotionClip(arrange(values, kept, layout), fps, layout, meta)


def _numbers(row: Sequence[str], columns: Sequence[int], names: Sequence[str], line: int) -> list[float]:
    numbers = []
    for i in columns:
        try:
            numbers.append(float(row[i]))
        except ValueError:
            raise MotionError(f'line {line}, column {names[i]}: {row[i]!r} is not a number') from None
    return numbers


def _check_order(timecodes: Sequence[str]) -> None:
    """Raise MotionError where a time is before the one above, but for a take that goes on past midnight."""
    times = [_parts(code) for code in timecodes]
    for line, (before, after) in enumerate(itertools.pairwise(times), start=3):
        if before is not None and after is not None and after < before and (before[0], after[0]) != (23, 0):
            code = timecodes[line - 2]
            raise MotionError(f'line {line}: Timecode {code} is before that of the line above; sort the rows')


def _parts(timecode: str) -> list[float] | None:
    try:
        return [float(part) for part in timecode.split(':')]
    except ValueError:
        return None


def _rate(timecodes: Sequence[str]) -> float:
    """Frame rate of hh:mm:ss:ff(.fff) codes: the frame counter's modulus, seen when a second is full."""
    parts = [code.split(':') for code in timecodes]
    if all(len(part) == 4 for part in parts) and len({tuple(part[:3]) for part in parts}) > 1:
        return float(int(max(float(part[3]) for part in parts)) + 1)
    raise MotionError(
        'the file tells no frame rate (no fps column, Timecode too short); give it, --motion-fps'
    )


def encode_csv(clip: MotionClip) -> bytes:
    """Table of a clip; the rate stands in a last column, since Live Link Face has no place for it."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator='\n')
    count = 50 if clip.layout.space == 'flame' else 52
    writer.writerow(['Timecode', 'BlendshapeCount', *clip.layout.names, 'fps'])
    base = max(1, round(clip.fps))
    for frame, row in enumerate(clip.values):
        second, rest = divmod(frame, base)
        code = f'{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}:{rest:02d}.000'
        writer.writerow([code, count, *(f'{x:.9g}' for x in row), repr(clip.fps)])
    return stream.getvalue().encode()
