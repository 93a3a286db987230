# SPDX-License-Identifier: Apache-2.0
"""Tables of a live run and of lifecycle cycles, each figure with its requirement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.benchmark.live.live_record import CycleSample, LiveRecord
from diffposetalk_ros.benchmark.table import Cell, Table
from diffposetalk_ros.playout.playout import PlayoutState

__all__ = ['bars_missed', 'cycle_table', 'live_tables']

_BARS = ('what', 'measured', 'at most', 'met')
_GROWTH = 5.0
_SETTLE_CYCLES = 10


def live_tables(record: LiveRecord, rate: float, playout_delay: float, frame: float) -> list[Table]:
    """``rate``: published frames per second; ``frame``: seconds of one frame of the model."""
    return [
        _bar_table(record, rate, playout_delay, frame),
        _time_table(record, playout_delay, frame),
        _minute_table(record),
        _late_table(record),
    ]


def cycle_table(cycles: Sequence[CycleSample]) -> Table:
    """What configure-activate-deactivate-cleanup leaves behind."""
    settled = cycles[min(_SETTLE_CYCLES, len(cycles)) - 1]
    last, seconds = cycles[-1], [cycle.seconds for cycle in cycles]
    rows = (
        _bar('resident memory gained since cycle 10 [MiB]', last.resident - settled.resident, _GROWTH),
        _bar('threads gained', last.threads - settled.threads, 0),
        _bar('publishers, subscriptions, services gained', last.endpoints - settled.endpoints, 0),
        ('cycle, median [s]', float(np.median(seconds)), None, ''),
        ('cycle, longest [s]', max(seconds), None, ''),
    )
    note = (
        f'{len(cycles)} times configure, activate, receive a frame, deactivate, clean up. After the last: '
        f'{last.resident:.0f} MiB, {last.threads} threads, {last.endpoints} publishers, subscriptions and '
        'services.'
    )
    return Table('Lifecycle', note, _BARS, rows)


def bars_missed(tables: Sequence[Table]) -> list[str]:
    """Names of the rows that are not met."""
    return [str(row[0]) for table in tables if table.columns == _BARS for row in table.rows if row[3] == 'no']


def _bar_table(record: LiveRecord, rate: float, playout_delay: float, frame: float) -> Table:
    delay = record.added_delay(playout_delay, frame)
    fall, rise = record.memory_growth
    said = record.diagnostics
    rows = (
        _bar('frames missing', record.missing, 0),
        _bar('frames published twice', record.doubled, 0),
        _bar('stamps off the grid', record.off_grid(rate), 0),
        _bar('stamps of face_motion and head_pose that differ', record.poses_apart, 0),
        _bar('release jitter p99 [ms]', _percentile(record.lateness, 99), 5.0),
        _bar('underflows', float(said.get('underflows', 'nan')), 0),
        _bar('utterances that started late', float(said.get('late starts', 'nan')), 0),
        _bar('added delay p99 [ms]', _percentile(delay, 99), 130.0),
        _bar('processor while talking [% of a core]', 100 * record.processor_share(True), 35.0),
        _bar('processor while idle [% of a core]', 100 * record.processor_share(False), 15.0),
        _bar(f'resident memory gained after {record.settled:.0f} s [MiB]', rise, _GROWTH),
        _bar(f'resident memory lost after {record.settled:.0f} s [MiB]', -fall, _GROWTH),
    )
    spoken = int((record.frames[:, 4] == 2).sum())
    note = (
        f'{len(record.frames)} frames at {rate:g} Hz, {spoken} of them spoken, {record.held} held, in '
        f'{record.seconds[-1]:.0f} s with {said.get("utterances", "?")} utterances. Moments are those at which '
        'the middleware accepted a message, which it reports to every subscriber.'
    )
    return Table('Requirements', note, _BARS, rows)


def _time_table(record: LiveRecord, playout_delay: float, frame: float) -> Table:
    measured = {
        'release jitter: stamp to publishing': record.lateness,
        'stamp to arrival in another process': record.arrival,
        'audio_out: stamp to publishing': record.sound_lateness,
        'added delay: last sample sent to publishing': record.added_delay(playout_delay, frame),
    }
    rows: list[tuple[Cell, ...]] = [
        (name, *(_percentile(values, q) for q in (50, 95, 99, 100))) for name, values in measured.items()
    ]
    note = (
        f'Milliseconds. A frame with stamp s shows the {1e3 * frame:.0f} ms of sound around s - '
        f'{playout_delay:g} s; the added delay begins when the message with the last of these samples is '
        f'sent. It is {1e3 * (playout_delay - frame / 2):.0f} ms minus the rest of that message after this sample.'
    )
    return Table('Times', note, ('what', 'p50', 'p95', 'p99', 'largest'), tuple(rows))


def _minute_table(record: LiveRecord) -> Table:
    """One row per whole minute, and the end."""
    seconds, samples = record.seconds, record.samples
    marks = [*np.arange(0.0, seconds[-1], 60.0), float(seconds[-1])]
    rows: list[tuple[Cell, ...]] = []
    for begin, end in zip(marks, marks[1:], strict=False):
        first, last = (min(int(np.searchsorted(seconds, t)), len(samples) - 1) for t in (begin, end))
        a, b = samples[first], samples[last]
        if b.time == a.time:
            continue
        share = 100 * (b.processor - a.processor) / ((b.time - a.time) / 1e9)
        late = record.lateness[(record.frames[:, 1] >= a.time) & (record.frames[:, 1] < b.time)]
        worst = _percentile(late, 100)
        rows.append((f'{end / 60:.1f}', b.resident, b.threads, share, worst))
    columns = ('until [min]', 'resident [MiB]', 'threads', 'processor [%]', 'largest jitter [ms]')
    return Table('Minute by minute', 'Minutes contain speech and pauses.', columns, tuple(rows))


def _late_table(record: LiveRecord) -> Table:
    order = np.argsort(record.lateness)[::-1][:5]
    began = record.samples[0].time
    rows = tuple(
        (float((stamp - began) / 1e9), float(late), PlayoutState(state).label)
        for stamp, state, late in zip(*record.frames[order][:, [1, 4]].T, record.lateness[order], strict=True)
    )
    over = [int((record.lateness > limit).sum()) for limit in (5, 20)]
    note = f'{over[0]} frames were published more than 5 ms late, {over[1]} more than 20 ms.'
    return Table('The latest frames', note, ('at [s]', 'late by [ms]', 'state'), rows)


def _bar(name: str, value: float, at_most: float) -> tuple[Cell, ...]:
    return name, value, at_most, 'yes' if value <= at_most else 'no'


def _percentile(values: NDArray[np.float64], q: float) -> float:
    return float(np.percentile(values, q)) if len(values) else float('nan')
