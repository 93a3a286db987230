# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.motion.regions import RegionValues
from diffposetalk_ros.playout.lookahead import FramesAhead, Lookahead
from diffposetalk_ros.playout.playout import Playout, PlayoutConfig
from diffposetalk_ros.playout.presentation_clock import PresentationClock
from diffposetalk_ros.playout.timeline import MotionTimeline

LAYOUT = arkit_layout()
JAW = LAYOUT.index('jawOpen')
MS = 1_000_000
T0 = 5_000_000 * MS
FRAME = 40 * MS
FIRST = T0 + FRAME // 2
"""Frame 0 is due in the middle of its sound."""


def running(epoch: int, origin: int) -> PresentationClock:
    clock = PresentationClock(epoch, origin)
    clock.run(origin, 0)
    return clock


class Stream:
    """A timeline that is filled by hand, and who listens to what is told of it."""

    def __init__(self, **config) -> None:
        self.timeline = MotionTimeline(55)
        self.playout = Playout(
            self.timeline, LAYOUT, np.zeros(55), np.ones(55), config=PlayoutConfig(**config)
        )
        self.lookahead = Lookahead(self.timeline, self.playout)

    def begin(self, epoch: int, origin: int = T0) -> None:
        self.timeline.reset(epoch)
        self.playout.clock = running(epoch, origin)

    def generate(self, committed: int, ahead: int = 1) -> None:
        start = self.timeline.end
        self.timeline.merge(self.timeline.epoch, start, talk(start, committed + ahead), committed)

    def told(self, now: int) -> list[FramesAhead]:
        out = []
        while (news := self.lookahead.pop(now)) is not None:
            out.append(news)
        return out


def talk(start: int, count: int) -> np.ndarray:
    motion = np.zeros((count, 55), np.float32)
    motion[:, JAW] = 0.4 + 0.3 * np.sin(np.arange(start, start + count))
    return motion


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 3), st.booleans()), min_size=1, max_size=12))
def test_every_final_frame_is_told_once_with_its_time(windows):
    stream = Stream()
    stream.begin(1)
    (void,) = stream.told(T0)
    assert (void.epoch, len(void.rows)) == (1, 0)
    rows, end = [], 0
    for committed, ahead, look in windows:
        stream.generate(committed, ahead)
        for news in stream.told(T0) if look else []:
            assert (news.epoch, news.first, news.due) == (1, end, FIRST + end * FRAME)
            assert len(news.rows) <= 250
            end += news.committed
            rows.append(news.rows[: news.committed])
    for news in stream.told(T0):
        rows.append(news.rows[: news.committed])
    np.testing.assert_array_equal(np.concatenate(rows), talk(0, stream.timeline.end))
    assert not stream.told(T0)


def test_provisional_frames_come_along_and_again_when_they_are_final():
    stream = Stream()
    stream.begin(1)
    stream.generate(2, 1)
    first = stream.told(T0)[-1]
    stream.generate(2, 1)
    (second,) = stream.told(T0)
    assert (first.first, first.committed, len(first.rows)) == (0, 2, 3)
    assert (second.first, second.committed, len(second.rows)) == (2, 2, 3)


def test_it_is_what_will_be_shown():
    stream = Stream(strengths=RegionValues(mouth=1.5), attack=0.0)
    stream.begin(1)
    stream.generate(20)
    ahead = stream.told(T0)[-1]
    for k in range(18):  # behind them come frames that may still change
        np.testing.assert_allclose(stream.playout.sample(FIRST + k * FRAME).row, ahead.rows[k], atol=1e-6)
    assert ahead.rows[:, JAW].max() == 1.0, 'held inside the range of the channel'


def test_an_interrupt_voids_what_was_told_and_nothing_old_follows():
    stream = Stream()
    stream.begin(1)
    stream.generate(50)
    assert stream.told(T0)
    stream.playout.interrupt()
    assert not stream.told(T0 + FRAME)
    stream.timeline.reset(2)
    (void,) = stream.told(T0 + 2 * FRAME)
    assert (void.epoch, void.due, len(void.rows), void.committed) == (2, T0 + 2 * FRAME, 0, 0)
    stream.timeline.merge(1, 50, talk(50, 2), 2)
    assert not stream.told(T0 + 3 * FRAME)
    stream.begin(3, T0 + 100 * FRAME)
    stream.generate(2)
    void, fresh = stream.told(T0 + 4 * FRAME)
    assert (void.epoch, len(void.rows)) == (3, 0)
    assert (fresh.epoch, fresh.first, fresh.due) == (3, 0, FIRST + 100 * FRAME)


def test_frames_not_yet_due_are_told_again_when_their_time_moves():
    stream = Stream()
    stream.begin(1)
    stream.generate(50, 0)
    stream.told(T0)
    now = T0 + 10 * FRAME
    stream.playout.clock.origin = T0 + 5 * MS
    assert not stream.told(now), 'a little drift is no news'
    stream.playout.clock.origin = T0 + 2 * FRAME
    (again,) = stream.told(now)
    assert (again.first, again.due, again.committed) == (7, FIRST + 9 * FRAME, 43)
    assert not stream.told(now)
