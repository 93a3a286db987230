# SPDX-License-Identifier: Apache-2.0
"""Times in tables (SMPTE timecodes, clock times, numbers in s, ms, us or ns) to seconds and frame rates, and back."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import MotionError

__all__ = [
    'STANDARD_RATES', 'TIME_NAMES', 'frame_rate', 'plain_name', 'seconds_of', 'standard_rate', 'timecode_of',
]  # fmt: skip

Times = NDArray[np.float64]

STANDARD_RATES = (
    *(10.0, 12.0, 12.5, 15.0, 20.0, 24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 48.0, 50.0),
    *(60000 / 1001, 60.0, 72.0, 75.0, 90.0, 96.0, 100.0, 120000 / 1001, 120.0, 144.0, 240.0),
)
"""Frames per second that cameras, trackers and engines use."""

TIME_NAMES = {
    'timecode': '', 'time': '', 'timestamp': '', 't': 's', 'timesec': 's', 'times': 's', 'timeseconds': 's',
    'seconds': 's', 'timestamps': 's', 'timems': 'ms', 'milliseconds': 'ms', 'timestampms': 'ms', 'timestampus': 'us',
    'timestampns': 'ns',
}  # fmt: skip
"""Names of times, as `plain_name` gives them -> unit of their numbers, '' where the numbers must tell."""

_TIMECODE = re.compile(r'(\d+):(\d+):(\d+)([:;])(\d+(?:\.\d+)?)')
_TWO_DIGITS = re.compile(r'(\d+:\d+:\d+)[.,](\d\d)')
_CLOCK = re.compile(r'(?:(\d+):)?(\d+):(\d+(?:[.,]\d+)?)')
_DAY = 86400.0
_UNITS = {'s': 1.0, 'ms': 1e-3, 'us': 1e-6, 'ns': 1e-9}


def plain_name(name: str) -> str:
    """Letters and digits of a name in lower case, so that timestamp_ms and TimestampMs are one."""
    return ''.join(letter for letter in name.lower() if letter.isalnum())


def seconds_of(labels: Sequence[str], unit: str = '') -> Times | None:
    """Labels of all rows, in order -> seconds (n,), which need not begin at 0.

    ``unit`` of plain numbers: 's', 'ms', 'us' or 'ns'; empty: the one that gives 1 to 1000 rows a second. Timecodes
    hh:mm:ss:ff count frames; the base is determined where seconds change. A ';', or a count that skips at minutes,
    means drop-frame. None if the labels do not suffice, as with timecodes within one second.

    Raises MotionError for a label that is not a time, or is before the previous one (a take may pass midnight).
    """
    codes = [_TIMECODE.fullmatch(label) for label in _as_timecodes(labels)]
    if all(codes):
        parts = np.array([[float(code[i]) for i in (1, 2, 3, 5)] for code in codes if code], np.float64)
        drop = any(code[4] == ';' for code in codes if code)
        return _from_timecodes(parts, drop, labels)
    times = np.array([_plain_time(label, line) for line, label in enumerate(labels, start=2)])
    if all(':' in label for label in labels):
        times = times + _DAY * np.cumsum(np.concatenate([[0], np.diff(times) < -_DAY / 2]))
    elif len(times) > 1:
        times = times * (_UNITS[unit] if unit else _guess_unit(times))
    _check_order(times, labels)
    return times


def timecode_of(frame: int, base: int) -> str:
    """Frame number from 0 on, of ``base`` frames a second -> hh:mm:ss:ff.fff, as the Live Link Face app writes it."""
    second, rest = divmod(frame, base)
    return f'{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}:{rest:02d}.000'


def frame_rate(times: Times) -> float:
    """Rows per second of increasing times with jitter and gaps, rounded to a standard rate if it is close to one."""
    steps = np.diff(times)
    step = float(np.median(steps))
    step = float(
        steps[steps < 1.75 * step].mean()
    )  # 24 rows a second on a base of 60 are 2 or 3 frames apart
    rows = np.maximum(1, np.round(steps / step)).sum()
    return standard_rate(float(rows / (times[-1] - times[0])))


def standard_rate(rate: float) -> float:
    """The standard rate that differs by less than 0.03 %, or ``rate`` itself."""
    near = min(STANDARD_RATES, key=lambda standard: abs(standard - rate))
    return near if abs(near - rate) < 3e-4 * near else rate


def _as_timecodes(labels: Sequence[str]) -> list[str]:
    """Labels without spaces; hh:mm:ss.ff as hh:mm:ss:ff where two digits never reach the end of a second."""
    plain = [label.strip() for label in labels]
    clocks = [_TWO_DIGITS.fullmatch(label) for label in plain]
    found = [clock.groups() for clock in clocks if clock]
    if (
        len(found) == len(plain)
        and len({clock for clock, _ in found}) > 2
        and all(int(f) < 60 for _, f in found)
    ):
        return [f'{clock}:{frame}' for clock, frame in found]
    return plain


def _from_timecodes(parts: Times, drop: bool, labels: Sequence[str]) -> Times | None:
    whole = parts[:, :3] @ np.array([3600.0, 60.0, 1.0])
    whole = whole + _DAY * np.cumsum(np.concatenate([[0], np.diff(whole) < -_DAY / 2]))
    frame = parts[:, 3]
    _check_order(whole * 1e4 + frame, labels)
    base = _base_of(whole, frame)
    if base is None:
        return None
    over = np.flatnonzero(frame >= base)
    if len(over):
        raise MotionError(
            f'line {int(over[0]) + 2}: Timecode {labels[int(over[0])]} does not fit its neighbours, which count '
            f'{base} frames a second; correct it, or remove the column and give the rate with --motion-fps, in '
            'Python with fps='
        )
    if drop or _skips_at_minutes(whole, frame, base):
        minutes = whole // 60
        dropped = 2 * max(1, round(base / 30))
        frames = whole * base + frame - dropped * (minutes - minutes // 10)
        return np.asarray(frames * 1.001 / base)
    return np.asarray(whole + frame / base)


def _base_of(whole: Times, frame: Times) -> int | None:
    """Frames a second that the timecode counts, or None without a change of second.

    Where the last row of a second has frame f, the first of the next f', and rows are d frames apart, the base is
    f - f' + k d; k is 1 unless rows are missing there.
    """
    if 240 <= frame.max() < 1000:
        return 1000  # milliseconds
    seconds, frames = np.diff(whole), np.diff(frame)
    turns = seconds == 1
    if not turns.any():
        return None
    inside = frames[(seconds == 0) & (frames > 0)]
    step = float(np.median(inside)) if len(inside) else 0.0
    usual = [int(rate) for rate in STANDARD_RATES if rate == int(rate) and rate > frame.max()]
    if not step:  # at most one row a second, so the frame hardly matters
        return next(iter(usual), None)
    values, counts = np.unique(np.round(step - frames[turns]), return_counts=True)
    best, votes = int(values[np.argmax(counts)]), int(counts.max())
    if votes >= 3 and 2 * votes > turns.sum() and best >= 1:
        return best
    for base in usual:
        rows = (base + frames[turns]) / step
        whole_rows = np.maximum(1, np.round(rows))
        if np.mean(np.abs(rows - whole_rows) * step <= max(0.6, 0.3 * step)) > 0.6:
            return base
    return best if best >= 1 else None


def _skips_at_minutes(whole: Times, frame: Times, base: int) -> bool:
    """Whether the count skips the first frames of each minute except every tenth, as drop-frame does."""
    if base % 30:
        return False
    dropped = 2 * round(base / 30)
    minute = np.flatnonzero((np.diff(whole) == 1) & (whole[1:] % 60 == 0) & (whole[1:] // 60 % 10 != 0))
    if not len(minute):
        return False
    early = (whole % 60 == 0) & (whole // 60 % 10 != 0) & (frame < dropped)
    steps = np.diff(frame) + base * np.diff(whole)
    step = float(np.median(steps))
    if early.any() or np.any(np.abs(steps[minute] - step - dropped) > 0.25):
        return False
    # A single minute is evidence only if no rows are missing elsewhere, because they may also be missing there.
    return len(minute) > 1 or int((steps > 1.5 * step).sum()) == 1


def _plain_time(label: str, line: int) -> float:
    clock = _CLOCK.fullmatch(label.strip())
    try:
        if clock:
            seconds = float(clock[3].replace(',', '.'))
            return 3600.0 * int(clock[1] or 0) + 60.0 * int(clock[2]) + seconds
        time = float(label)
    except ValueError:
        time = float('nan')
    if not np.isfinite(time):
        raise MotionError(f'line {line}: {label!r} is not a time; use hh:mm:ss:ff, or a number of seconds')
    return time


def _guess_unit(times: Times) -> float:
    step = float(np.median(np.abs(np.diff(times))))
    for unit in (1.0, 1e-3, 1e-6, 1e-9):
        if 1e-3 <= step * unit <= 1.0:
            return unit
    return 1.0


def _check_order(times: Times, labels: Sequence[str]) -> None:
    wrong = np.flatnonzero(np.diff(times) < 0)
    if len(wrong):
        at = int(wrong[0]) + 1
        raise MotionError(
            f'line {at + 2}: Timecode {labels[at]} is before that of the line above; sort the rows'
        )
