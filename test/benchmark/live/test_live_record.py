# SPDX-License-Identifier: Apache-2.0
"""Figures of a live run, from a run made up so that each is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from diffposetalk_ros.benchmark.live.live_record import CycleSample, LiveRecord
from diffposetalk_ros.benchmark.live.live_report import bars_missed, cycle_table, live_tables
from diffposetalk_ros.benchmark.process_watch import ProcessSample

MS = 1_000_000
START = 1_000_000 * MS
RATE, DELAY, FRAME = 50.0, 0.14, 0.04


def record(**changes: Any) -> LiveRecord:
    """Four seconds, the last two of them idle: each frame 1 ms late, three tenths of a core while talking."""
    number = np.arange(200)
    stamp = START + 20 * MS * number
    frames = np.stack([number, stamp, stamp + MS, stamp + 2 * MS, np.where(number < 100, 2, 1)], axis=1)
    begin = START - 140 * MS + 20 * MS * np.arange(120)
    samples = [
        ProcessSample(START + 500 * MS * i, 0.15 * min(i, 4) + 0.05 * max(i - 4, 0), 100.0 + i, 7)
        for i in range(9)
    ]
    values: dict[str, Any] = {
        'frames': frames,
        'poses': stamp[1:],
        'sounds': np.stack([stamp, stamp + 3 * MS], axis=1),
        'sent': np.stack([begin, begin + 20 * MS, begin + 21 * MS], axis=1),
        'samples': samples,
        'diagnostics': {'underflows': '0', 'late starts': '0', 'utterances': '1'},
    }
    return LiveRecord(**{**values, **changes})


def test_a_good_run_misses_nothing() -> None:
    run = record()
    assert (run.missing, run.doubled, run.off_grid(RATE), run.poses_apart, run.held) == (0, 0, 0, 0, 0)
    assert np.allclose(run.lateness, 1) and np.allclose(run.arrival, 2) and np.allclose(run.sound_lateness, 3)
    # Shown 140 ms after its middle, 120 ms after its last sample; sent 1 ms after that, published 1 ms late.
    assert np.allclose(run.added_delay(DELAY, FRAME), 120)
    assert run.processor_share(True) == pytest.approx(0.3)
    assert run.processor_share(False) == pytest.approx(0.1)
    assert run.settled == 2 and run.memory_growth == (0, 4)
    tables = live_tables(run, RATE, DELAY, FRAME)
    assert not bars_missed(tables)
    assert all(table.markdown() for table in tables)


def test_what_is_wrong_is_counted() -> None:
    frames = np.delete(record().frames, [10, 11], axis=0)
    assert record(frames=frames).missing == 2 and record(frames=frames).off_grid(RATE) == 0
    frames = np.insert(frames, 5, frames[5], axis=0)
    frames[50, 1] += 1000
    run = record(frames=frames)
    assert (run.missing, run.doubled, run.off_grid(RATE)) == (2, 1, 1)
    assert run.poses_apart == 4
    frames[100:, 2] += 30 * MS
    tables = live_tables(record(frames=frames), RATE, DELAY, FRAME)
    assert bars_missed(tables) == [
        'frames missing',
        'frames published twice',
        'stamps off the grid',
        'stamps of face_motion and head_pose that differ',
        'release jitter p99 [ms]',
    ]


def test_a_figure_that_is_not_there_is_not_met() -> None:
    idle = record().frames.copy()
    idle[:, 4] = 1
    missed = bars_missed(live_tables(record(frames=idle, diagnostics={}), RATE, DELAY, FRAME))
    assert {'underflows', 'added delay p99 [ms]', 'processor while talking [% of a core]'} <= set(missed)


def test_sound_that_no_message_carried_has_no_delay() -> None:
    run = record(sent=record().sent[60:])
    assert len(run.added_delay(DELAY, FRAME)) < 60


def test_cycles() -> None:
    cycles = [CycleSample(1.0, 100.0 + min(i, 10), 5, 20) for i in range(30)]
    assert not bars_missed([cycle_table(cycles)])
    leaking = [CycleSample(1.0, 100.0 + i, 5 + i // 20, 20 + i // 29) for i in range(30)]
    assert len(bars_missed([cycle_table(leaking)])) == 3
