# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from diffposetalk_ros.benchmark.ros.latency_report import measure


def test_losses_doubles_and_uneven_stamps_are_counted() -> None:
    numbers = [0, 1, 3, 3, 4]
    stamps = [0, 20_000_000, 60_000_000, 60_000_000, 90_000_000]
    received = [s + 2_000_000 for s in stamps]
    report = measure(numbers, stamps, received, [1, 2, 2, 3, 0], 50.0)
    assert (report.lost_frames, report.doubled_frames, report.uneven_stamps) == (1, 1, 1)
    assert (report.speaking_frames, report.held_frames, report.age_p99) == (2, 1, 2.0)
