# SPDX-License-Identifier: Apache-2.0
"""Motion as a table with one row per frame and one named column per channel, as Live Link Face writes it."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.files.face_table import FaceTable, arkit_name
from diffposetalk_ros.motion.files.timecode import TIME_NAMES, plain_name, seconds_of, timecode_of
from diffposetalk_ros.motion.motion_clip import MotionClip, arrange, check_rate, layout_of

__all__ = ['encode_csv', 'encode_head_csv', 'read_csv']

_ASIDE = {'frame', 'frameindex', 'framenumber', 'blendshapecount', 'fps'}
_EYES = {f'{eye}eye{angle}' for eye in ('left', 'right') for angle in ('yaw', 'pitch', 'roll')}
"""Columns of Live Link Face that repeat eyeLook*."""


def read_csv(path: Path, fps: float | None) -> MotionClip:
    """Clip of a table; ``fps`` overrides its times.

    Only the letters of column names are compared. Raises MotionError, or ValueError for a value that is not a number.
    """
    lines = csv.reader(io.StringIO(_text(path), newline=''))
    rows = [(number, row) for number, row in enumerate(lines, start=1) if any(map(str.strip, row))]
    if not rows:
        raise MotionError('the file is empty; the first line must name the columns')
    names = [name.strip() for name in rows[0][1]]
    for other, word in ((';', 'semicolons'), ('\t', 'tabulators')):
        if len(names) == 1 and other in names[0]:
            raise MotionError(
                f'its cells are separated by {word}; save it with commas between cells and decimal points'
            )
    if len(rows) == 1:
        raise MotionError('motion has 0 frames; give at least one frame')
    plain = [plain_name(name) for name in names]
    place = {name: column for column, name in enumerate(plain)}
    if 'exp00' in plain:
        return _flame_clip(names, plain, rows[1:], fps)
    columns = [i for i, name in enumerate(plain) if name not in TIME_NAMES.keys() | _ASIDE | _EYES]
    notes: list[str] = []
    values, kept = _values(names, columns, rows[1:], place.get('blendshapecount'), notes)
    table = FaceTable([names[i] for i in columns], values, notes=notes)
    if fps is not None:
        table.fps = fps
    else:
        _set_time(table, place, kept)
    return table.clip()


def _text(path: Path) -> str:
    """Text of the file: UTF-8, or UTF-16 as Excel saves it, which its first bytes tell."""
    data = path.read_bytes()
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode('utf-16' if wide else 'utf-8-sig')
    except UnicodeDecodeError:
        text = '\0'
    if '\0' in text:
        raise MotionError("its text is neither UTF-8 nor UTF-16; save it again as 'CSV UTF-8'")
    return text


def _values(
    names: Sequence[str],
    columns: Sequence[int],
    rows: Sequence[tuple[int, list[str]]],
    count: int | None,
    notes: list[str],
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], list[list[str]]]:
    """Numbers (n, C), NaN in rows without a face, and the rows that were kept."""
    numbers: list[list[float]] = []
    kept: list[list[str]] = []
    faces = {i for i in columns if arkit_name(names[i])} or set(columns)
    for line, row in rows:
        row = [cell.strip() for cell in row]
        faceless = not any(row[i] for i in faces if i < len(row))
        if count is not None and count < len(row) and row[count] in ('0', '0.0'):
            faceless = True
        if faceless:
            numbers.append([float('nan')] * len(columns))
        elif len(row) != len(names):
            if line == rows[-1][0] and len(row) < len(names) and kept:
                notes.append(f'line {line}, the last, is cut off; it is left out')
                continue
            raise MotionError(f'line {line} has {len(row)} cells, the header {len(names)}')
        else:
            numbers.append(_numbers(row, columns, names, line, faces))
        kept.append(row)
    return np.array(numbers, np.float64), kept


def _numbers(
    row: Sequence[str], columns: Sequence[int], names: Sequence[str], line: int, faces: set[int]
) -> list[float]:
    numbers = []
    for i in columns:
        try:
            numbers.append(float(row[i]))
        except ValueError:
            if i not in faces:  # another program's column, such as the name of an emotion
                numbers.append(float('nan'))
                continue
            raise MotionError(f'line {line}, column {names[i]}: {row[i]!r} is not a number') from None
    return numbers


def _set_time(table: FaceTable, place: dict[str, int], rows: Sequence[Sequence[str]]) -> None:
    """Rate and times of the rows, from the columns that give them."""
    if 'fps' in place:
        table.fps = float(rows[0][place['fps']])
        check_rate(table.fps)
    times = []
    for name, unit in TIME_NAMES.items():
        if name in place and all(len(row) > place[name] and row[place[name]] for row in rows):
            labels = [row[place[name]] for row in rows]
            if table.fps is not None and _counts_frames(labels, table.fps):
                continue  # our own file: the column with the rate is exact, while the timecode is rounded to its base
            found = seconds_of(labels, unit)
            if found is not None:
                times.append((name, found))
    for index in ('frame', 'frameindex', 'framenumber'):
        if not times and table.fps and index in place and all(len(row) > place[index] for row in rows):
            times.append((index, np.array([float(row[place[index]]) for row in rows]) / table.fps))
    for name, found in times[1:]:
        one, other = (float(t[-1] - t[0]) for t in (times[0][1], found))
        if abs(one - other) > 0.1 + 0.02 * max(one, other):
            raise MotionError(
                f'column {times[0][0]} spans {one:.2f} s and {name} {other:.2f} s; remove the wrong one'
            )
    if times:
        table.times = times[0][1]
        if (np.diff(table.times) < 0).any():
            raise MotionError(f'column {times[0][0]} goes back; sort the rows')


def _counts_frames(labels: Sequence[str], fps: float) -> bool:
    """Whether the timecodes count the rows one by one from 0 on, on the base nearest to ``fps``."""
    base = max(1, round(fps))
    return all(label == timecode_of(frame, base) for frame, label in enumerate(labels))


def _flame_clip(
    names: Sequence[str], plain: Sequence[str], rows: Sequence[tuple[int, list[str]]], fps: float | None
) -> MotionClip:
    for line, row in rows:
        if len(row) != len(names):
            raise MotionError(f'line {line} has {len(row)} cells, the header {len(names)}')
    columns = [i for i, name in enumerate(plain) if name not in TIME_NAMES.keys() | _ASIDE]
    kept = [names[i] for i in columns]
    values = np.array([_numbers(row, columns, names, line, set(columns)) for line, row in rows])
    if fps is None:
        if 'fps' not in plain:
            raise MotionError(
                'the file does not state its frame rate (no fps column); give it with --motion-fps, in Python with '
                'fps='
            )
        fps = float(rows[0][1][plain.index('fps')])
    layout = layout_of('flame', kept)
    return MotionClip(arrange(values, kept, layout), fps, layout)


def encode_csv(clip: MotionClip) -> bytes:
    """Table of a clip; the rate is in an additional last column, since Live Link Face has no column for it."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator='\n')
    count = 50 if clip.layout.space == 'flame' else 52
    writer.writerow(['Timecode', 'BlendshapeCount', *clip.layout.names, 'fps'])
    base = max(1, round(clip.fps))
    for frame, row in enumerate(clip.values):
        writer.writerow([timecode_of(frame, base), count, *(f'{x:.9g}' for x in row), repr(clip.fps)])
    return stream.getvalue().encode()


def encode_head_csv(clip: MotionClip) -> bytes:
    """The head alone: time (s), yaw, pitch and roll (degrees) and the same rotation as a quaternion x, y, z, w.

    Axes of the face: x to the subject's left, y up, z forward. Yaw turns about y first, then pitch about x, then roll
    about z, each in the head's own axes: yaw is positive to the subject's left, pitch downwards, roll
    clockwise for the subject. Raises MotionError for motion without a head.
    """
    if clip.layout.head_rotation is None:
        raise MotionError('this motion has no head rotation; convert a motion that has one')
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_rotvec(clip.values[:, clip.layout.head_rotation])
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator='\n')
    writer.writerow(['time', 'yaw_deg', 'pitch_deg', 'roll_deg', 'qx', 'qy', 'qz', 'qw'])
    rows = zip(turn.as_euler('YXZ', degrees=True), turn.as_quat(), strict=True)
    for frame, (angles, quaternion) in enumerate(rows):
        writer.writerow(
            [f'{frame / clip.fps:.6f}', *(f'{x:.5f}' for x in angles), *(f'{x:.7f}' for x in quaternion)]
        )
    return stream.getvalue().encode()
