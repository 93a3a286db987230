# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from diffposetalk_ros.util.clock_steps import ClockSteps

SECOND = 1_000_000_000


class Clocks:
    """Two clocks; ``held_up``: ns that pass after the first one was read."""

    def __init__(self) -> None:
        self.wall, self.steady, self.held_up = 1000 * SECOND, 0, 0
        self.steps = ClockSteps(self.read_wall, lambda: self.steady)

    def read_wall(self) -> int:
        self.wait(self.held_up)
        return self.wall

    def wait(self, ns: int) -> None:
        self.wall, self.steady = self.wall + ns, self.steady + ns


def test_a_clock_that_was_set_is_told_from_a_process_that_stood_still() -> None:
    clocks = Clocks()
    assert clocks.steps.next() == 0
    clocks.wait(3 * SECOND)
    assert clocks.steps.next() == 0
    clocks.wall += 2 * SECOND
    assert clocks.steps.next() == 2 * SECOND
    assert clocks.steps.next() == 0
    clocks.wall -= SECOND
    assert clocks.steps.next() == -SECOND
    clocks.wall += SECOND // 20
    assert clocks.steps.next() == 0, 'a correction'


def test_a_thread_that_is_held_up_between_the_readings_sees_no_step() -> None:
    clocks = Clocks()
    clocks.steps.next()
    clocks.held_up = SECOND
    assert clocks.steps.next() == 0
    clocks.held_up = 0
    assert clocks.steps.next() == 0
    clocks.held_up, clocks.wall = SECOND, clocks.wall + 2 * SECOND
    assert clocks.steps.next() == 0
    clocks.held_up = 0
    assert clocks.steps.next() == 2 * SECOND, 'told at the next reading'


def test_the_clocks_of_this_machine_agree() -> None:
    steps = ClockSteps()
    assert [steps.next() for _ in range(100)] == [0] * 100
