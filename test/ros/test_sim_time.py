# SPDX-License-Identifier: Apache-2.0
"""Simulated time over DDS: half and double speed, pause, jump back."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not importable')
from node_stage import Stage  # noqa: E402
from rclpy.time import Time  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402

from diffposetalk_ros.ros.messages.stamps import stamp_of  # noqa: E402

STEP = 10_000_000


class World:
    """Publishes /clock by hand, at a speed; on a busy machine slower, so that the node can follow."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.now = 100 * 10**9
        self.publisher = stage.client.create_publisher(Clock, '/clock', 10)

    def run(self, seconds: float, speed: float) -> None:
        for _ in range(round(seconds * 1e9 / STEP)):
            self.now += STEP
            self.tell()
            end = time.monotonic() + STEP * 1e-9 / speed
            while time.monotonic() < end:
                self.stage.executor.spin_once(timeout_sec=0.001)
            self.wait(5 * STEP)

    def wait(self, lag: int) -> None:
        """Until the newest frame is at most ``lag`` ns old."""

        def there() -> bool:
            frames = self.stage.seen.frames
            if frames and self.now - lag <= stamp_of(frames[-1]) <= self.now:
                return True
            self.tell()  # best effort: the last word may have been lost
            return False

        self.stage.until(there)

    def tell(self) -> None:
        self.publisher.publish(Clock(clock=Time(nanoseconds=self.now).to_msg()))


def test_frames_follow_the_simulated_clock(model_folder: Path) -> None:
    stage = Stage(model_folder, use_sim_time=True)
    try:
        world = World(stage)
        assert stage.lifecycle.configure() and stage.lifecycle.activate()
        stage.until(lambda: world.publisher.get_subscription_count() > 0)
        world.run(0.5, 1.0)
        for speed in (0.5, 2.0):
            begin = world.now
            world.run(1.0, speed)
            world.wait(2 * STEP)
            stamps = [stamp_of(f) for f in stage.seen.frames if stamp_of(f) > begin]
            assert 49 <= len(stamps) <= 50, speed
            assert set(np.diff(stamps)) == {20_000_000}
        count = len(stage.seen.frames)
        for _ in range(20):
            stage.executor.spin_once(timeout_sec=0.02)
        assert len(stage.seen.frames) <= count + 2, 'time stands still'
        world.now -= 50 * 10**9
        world.run(1.0, 1.0)
        world.wait(2 * STEP)
        stamps = [stamp_of(f) for f in stage.seen.frames[-30:]]
        assert max(stamps) <= world.now and set(np.diff(stamps)) == {20_000_000}
        assert stage.seen.missing == 0
    finally:
        stage.close()
