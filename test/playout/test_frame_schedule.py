# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.playout.frame_schedule import FrameSchedule

NS = 1_000_000_000


@pytest.mark.parametrize('rate', [10.0, 29.97, 50.0, 120.0])
def test_no_frame_missing_or_doubled_under_jitter(rate: float) -> None:
    """A minute of timer ticks, up to 8 ms late, now and then 3 periods late; as rcl drops ticks."""
    generator = np.random.default_rng(0)
    schedule = FrameSchedule(rate)
    period = int(NS / rate)
    origin = 123_456_789
    times: list[int] = []
    now = origin
    for tick in range(int(60 * rate)):
        planned = origin + tick * period
        if planned < now:
            continue
        now = planned + int(generator.uniform(0, 0.008) * NS)
        if tick % 200 == 150:
            now += 3 * period
        times += schedule.due(now)
        assert times[-1] <= now < schedule.next
    gaps = np.diff(times)
    assert abs(gaps - NS / rate).max() <= 1
    assert len(times) >= 60 * rate - 4
    assert schedule.restarts == 0


def test_a_stopped_process_does_not_publish_the_past() -> None:
    schedule = FrameSchedule(50.0)
    assert len(schedule.due(0)) == 1
    assert len(schedule.due(10 * NS)) == 1
    assert schedule.restarts == 1


def test_clock_jump_backwards_is_seen_once() -> None:
    schedule = FrameSchedule(50.0)
    assert not schedule.jumped_back(5 * NS)
    schedule.due(5 * NS)
    assert schedule.jumped_back(1 * NS)
    assert schedule.due(1 * NS) == [1 * NS]
    assert not schedule.jumped_back(1 * NS + 20_000_000)
