# SPDX-License-Identifier: Apache-2.0
"""Face and sound under a simulated network, a simulated worker and a clock of the test's own."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.playout.delayed_audio import AudioPiece
from diffposetalk_ros.playout.playout import Playout, PlayoutConfig, PlayoutState
from diffposetalk_ros.playout.presentation_clock import PresentationClock
from diffposetalk_ros.playout.presenter import Presenter
from diffposetalk_ros.playout.start_delay import StartDelay
from diffposetalk_ros.playout.timeline import MotionTimeline

LAYOUT = arkit_layout()
JAW = LAYOUT.index('jawOpen')
MS = 1_000_000
T0 = 5_000_000 * MS
FRAME, CHUNK = 40 * MS, 20 * MS
STEP = 1 / 256
"""The jaw opens by so much from frame to frame, so that a row tells its moment."""
SPEAKING, HOLDING = PlayoutState.SPEAKING, PlayoutState.HOLDING


@dataclass
class Utterance:
    """``arrivals``: when the message with the sound of [20 i, 20 (i + 1)) ms comes, ``costs``: of each window, both
    in ms; ``quiet``: messages that are silence."""

    arrivals: list[int]
    costs: dict[int, int] = field(default_factory=dict)
    quiet: frozenset[int] = frozenset()
    hop: int = 1
    look_ahead: int = 1


@dataclass
class Play:
    """Rows (time, moment shown, state) and sound (time handed out, its moment), all in ms after T0."""

    presenter: Presenter
    rows: list[tuple[float, float, int]] = field(default_factory=list)
    heard: list[tuple[float, float]] = field(default_factory=list)

    def parted(self) -> np.ndarray:
        """ms by which each speaking row is behind the sound that was heard while it was seen."""
        handed, moments = (np.array(column) for column in zip(*self.heard, strict=True))
        out, free = [], 0.0
        for time, moment, state in self.rows:
            # Out of a hold, and when a provisional frame is corrected, the face takes 60 ms.
            free = time + 60 if state == HOLDING else free
            k = int(np.searchsorted(handed, time, side='right')) - 1
            # A message is heard for 20 ms, longer where nothing follows: then nothing is heard to compare with.
            if state == SPEAKING and time > free and k >= 0 and time - handed[k] <= 25 and moment > 20:
                out.append(moments[k] + time - handed[k] - moment)
        return np.array(out)

    def held(self, begin: float) -> float:
        """Share of the rows that are held, of those that speak, from ``begin`` (ms) on."""
        states = [state for time, _, state in self.rows if time >= begin and state in (SPEAKING, HOLDING)]
        return float(np.mean(np.array(states) == HOLDING)) if states else 1.0


def play(spoken: Utterance, delay: int = 140, max_shift: float = 0.5, stop: int = 0) -> Play:
    """``stop``: the process stands still for so many ms, 2 s after the beginning."""
    timeline = MotionTimeline(55)
    playout = Playout(
        timeline, LAYOUT, np.zeros(55), np.ones(55), PlayoutConfig(attack=0.0, ease=0.0), rest=np.zeros(55)
    )
    presenter = Presenter(timeline, playout, StartDelay(delay * MS, 50 * MS), spoken.hop, 25.0)
    presenter.update(PlayoutConfig(attack=0.0, ease=0.0), max_shift)
    made = Play(presenter)
    timeline.reset(1)
    arrivals = np.maximum.accumulate(spoken.arrivals)
    frames = len(arrivals) // 2
    motion = np.zeros((frames, 55), np.float32)
    motion[:, JAW] = STEP * (1 + np.arange(frames))
    origin = T0
    busy, window, sent = 0, 0, 0
    for now in range(0, max(int(arrivals[-1]), 20 * len(arrivals)) + 1200, 10):
        if stop and 2000 <= now < 2000 + stop:
            continue
        while sent < len(arrivals) and arrivals[sent] <= now:
            piece = AudioPiece(sent * CHUNK, CHUNK, sent in spoken.quiet, sent)
            sent += 1
            presenter.hear(1, origin, T0 + now * MS, sent * CHUNK, CHUNK, piece)
        # The encoder sees 80 ms to the right; each window takes its time, one after the other.
        while window * spoken.hop < frames:
            final = (window + 1) * spoken.hop
            last = min(final + spoken.look_ahead, frames)
            needed = min(2 * max(final + spoken.look_ahead, final + 2), len(arrivals))
            begin = max(busy, int(arrivals[needed - 1]))
            done = begin + spoken.costs.get(window, 12)
            if sent < needed or done > now:
                break
            start = window * spoken.hop
            committed = min(spoken.hop, frames - start)
            timeline.merge(1, start, motion[start:last], committed)
            busy, window = done, window + 1
        if window * spoken.hop >= frames:
            timeline.close(1)
        if now % 20 == 0:
            frame = presenter.sample(T0 + now * MS)
            moment = (frame.row[JAW] / STEP - 0.5) * 40
            made.rows.append((now, float(moment), int(frame.state)))
        made.heard += [(now, message * 20) for _, message in presenter.due_audio(T0 + now * MS)]
    return made


def live(count: int = 200, late: int = 0) -> list[int]:
    return [20 * (i + 1) + late for i in range(count)]


@pytest.mark.parametrize('late', [20, 60, 80, 110, 200, 350, 500])
@pytest.mark.parametrize('begin', [0, 60])
def test_sound_that_is_steadily_late_is_seen_all_the_same(late: int, begin: int) -> None:
    """From the beginning, or from 2 s on: after the first second at most 2 % of the frames are held."""
    arrivals = [at + (late if i >= begin else 0) for i, at in enumerate(live(200))]
    made = play(Utterance(arrivals))
    assert np.abs(made.parted()).max() <= 20
    assert made.held(begin * 20 + late + 1000) <= 0.02
    assert [moment for _, moment in made.heard] == [20 * i for i in range(200)], 'every sound is heard'


@pytest.mark.parametrize(('hop', 'cost'), [(1, 30), (1, 40), (1, 65), (2, 60), (2, 80), (2, 130)])
def test_slow_windows_do_not_part_them(hop: int, cost: int) -> None:
    """Windows that take nearly as long as what they show, or longer."""
    made = play(Utterance(live(), dict.fromkeys(range(200), cost), hop=hop))
    assert np.abs(made.parted()).max() <= 20
    assert len(made.heard) == 200, 'the voice is heard whatever becomes of the face'
    if cost <= 40 * hop:
        assert made.held(1000) <= 0.02


@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    st.lists(st.tuples(st.integers(0, 199), st.integers(1, 60), st.integers(0, 500)), max_size=4),
    st.dictionaries(st.integers(0, 49), st.integers(20, 400), max_size=6),
    st.integers(0, 300),
    st.sets(st.integers(0, 9)),
    st.sampled_from([(1, 0), (1, 1), (2, 1), (4, 2)]),
)
def test_face_and_sound_never_part(delays, costs, late, pauses, settings_) -> None:
    """Random lateness of the network, stalls of it, slow windows and pauses in the speech."""
    arrivals = live(late=late)
    for begin, count, more in delays:
        for i in range(begin, min(begin + count, 200)):
            arrivals[i] += more
    quiet = frozenset(20 * pause + i for pause in pauses for i in range(12))
    made = play(Utterance(arrivals, costs, quiet, *settings_))
    assert np.abs(made.parted()).max(initial=0) <= 20
    status = made.presenter.status
    heard = [moment for _, moment in made.heard]
    assert heard == sorted(heard)
    missing = set(range(200)) - {round(moment / 20) for moment in heard} - quiet
    assert len(missing) * 0.02 <= status.stale + 1e-9, 'what is left out is counted'
    assert 0 <= status.shift <= 0.5


@pytest.mark.parametrize('stop', [300, 400, 1500, 3000])
def test_a_stopped_process_goes_on_in_time(stop: int) -> None:
    """SIGSTOP: stale sound is left out with the frames it belongs to; nothing is handed out late in a heap."""
    made = play(Utterance(live(400)), stop=stop)
    assert np.abs(made.parted()).max() <= 20
    after = [time for time, _ in made.heard if time >= 2000 + stop]
    assert sum(time < 2000 + stop + 20 for time in after) <= 27, 'no heap'
    if stop >= 1500:
        assert made.presenter.status.stale > 0.001 * (stop - 1000)


def test_without_max_shift_the_sound_is_always_in_time() -> None:
    made = play(Utterance(live(), {0: 300}), max_shift=0.0)
    assert {time - moment for time, moment in made.heard} == {140} and len(made.heard) == 200
    assert made.presenter.status.shift == 0


def test_what_is_late_catches_up_in_a_pause() -> None:
    quiet = frozenset(range(60, 300))
    made = play(Utterance(live(300), {0: 300}, quiet))
    shift = [time - moment for time, moment in made.heard]
    assert shift[5] - 215 + 150 >= 300 and shift[5] == shift[59], 'speech itself is not hurried'
    assert shift[-1] < 240
    assert np.abs(made.parted()).max() <= 20


def test_a_burst_is_presented_as_soon_as_its_first_frame_is_there() -> None:
    made = play(Utterance([1] * 100))
    assert made.heard[0] == (50, 0)
    assert [time - moment for time, moment in made.heard] == [50] * 100
    assert np.abs(made.parted()).max() <= 20, 'the last frame stands for the end of its sound'


def test_what_never_comes_is_not_waited_for_longer_than_max_shift() -> None:
    timeline = MotionTimeline(55)
    playout = Playout(timeline, LAYOUT, np.zeros(55), np.ones(55))
    presenter = Presenter(timeline, playout, StartDelay(200 * MS, 50 * MS), 2, 25.0)
    timeline.reset(1)
    for i in range(50):
        presenter.hear(1, T0, T0, (i + 1) * CHUNK, CHUNK, AudioPiece(i * CHUNK, CHUNK, False, i))
    heard = {now: len(presenter.due_audio(T0 + now * MS)) for now in range(0, 2000, 5)}
    assert min(now for now, count in heard.items() if count) == 700
    assert sum(heard.values()) == 50


def test_the_end_of_an_utterance_is_seen_and_heard_though_the_next_has_arrived() -> None:
    timeline = MotionTimeline(55)
    playout = Playout(timeline, LAYOUT, np.zeros(55), np.ones(55), PlayoutConfig(attack=0.0, ease=0.0))
    presenter = Presenter(timeline, playout, StartDelay(1000 * MS, 1000 * MS), 2, 25.0)

    def utter(epoch: int, origin: int, value: float) -> None:
        timeline.reset(epoch)
        for i in range(25):
            piece = AudioPiece(i * CHUNK, CHUNK, False, (epoch, i))
            presenter.hear(epoch, origin, origin, (i + 1) * CHUNK, CHUNK, piece)
        motion = np.zeros((12, 55), np.float32)
        motion[:, JAW] = value
        timeline.merge(epoch, 0, motion, 12)
        timeline.close(epoch)

    utter(1, T0, 0.25)
    utter(2, T0 + 900 * MS, 0.5)
    rows, heard = {}, []
    for now in range(0, 3000, 20):
        rows[now] = presenter.sample(T0 + now * MS).row[JAW]
        heard += presenter.due_audio(T0 + now * MS)
    assert [rows[now] for now in (980, 1020, 1460, 1700, 1920, 2360, 2500)] == [0, 0.25, 0.25, 0, 0.5, 0.5, 0]
    assert [message for _, message in heard] == [(epoch, i) for epoch in (1, 2) for i in range(25)]
    assert presenter.status.stale == 0


def test_a_corrected_clock_of_the_sender_does_not_make_face_and_sound_jump() -> None:
    """By 0.3 s, as it becomes clear that a live source is ahead: before, in or after that time."""
    for told, begin in ((-100, 0), (0, 0), (200, 200), (300, 300), (500, 300)):
        clock = PresentationClock(1, T0 + 300 * MS)
        clock.run(T0, 0)
        clock.set_origin(T0, T0 + told * MS)
        assert clock.start == T0 + begin * MS and clock.shift == begin * MS


def test_a_corrected_clock_of_the_sender_does_not_hold_up_the_sound() -> None:
    """Half a second was stamped 3 s ahead; then the clock is right: the new utterance is not behind the old one."""
    timeline = MotionTimeline(55)
    playout = Playout(timeline, LAYOUT, np.zeros(55), np.ones(55))
    presenter = Presenter(timeline, playout, StartDelay(200 * MS, 200 * MS), 2, 25.0)
    heard = []
    for epoch, origin, arrived in ((1, T0 + 3000 * MS, T0), (2, T0 + 500 * MS, T0 + 500 * MS)):
        timeline.reset(epoch)
        for i in range(25):
            piece = AudioPiece(i * CHUNK, CHUNK, False, (epoch, i))
            presenter.hear(epoch, origin, arrived + i * CHUNK, (i + 1) * CHUNK, CHUNK, piece)
        timeline.merge(epoch, 0, np.zeros((12, 55), np.float32), 12)
    for now in range(520, 2000, 20):
        heard += presenter.due_audio(T0 + now * MS)
    assert [time - T0 for time, message in heard if message[0] == 2] == [
        (700 + 20 * i) * MS for i in range(25)
    ]
    assert not any(message[0] == 1 for _, message in heard)
    assert presenter.status.stale == pytest.approx(0.5)


@pytest.mark.parametrize(('generated', 'late'), [(1840, 0), (1960, 1)])
def test_frames_of_a_gap_in_the_sound_are_not_missed(generated: int, late: int) -> None:
    """The sender pauses from 1 s to 1.8 s. The frames since then are generated only after its next message, which is
    shown from 1.94 s on."""
    timeline = MotionTimeline(55)
    playout = Playout(timeline, LAYOUT, np.zeros(55), np.ones(55))
    presenter = Presenter(timeline, playout, StartDelay(140 * MS, 140 * MS), 1, 25.0)
    timeline.reset(1)
    for now in range(0, 2400, 10):
        if now % 20 == 0 and not 1000 <= now < 1800:
            piece = AudioPiece(now * MS, CHUNK, False, now)
            presenter.hear(1, T0, T0 + (now + 20) * MS, (now + 20) * MS, CHUNK, piece)
        if now == 0:
            timeline.merge(1, 0, np.zeros((23, 55), np.float32), 23)
        if now == 1040:
            timeline.preview(1, np.zeros((2, 55), np.float32))
        if now == 1820:  # the first window after the gap ends behind what was previewed
            timeline.merge(1, 23, np.zeros((3, 55), np.float32), 3)
        if now == generated:
            timeline.merge(1, 26, np.zeros((44, 55), np.float32), 44)
        presenter.sample(T0 + now * MS)
        presenter.due_audio(T0 + now * MS)
    assert presenter.status.underflows == late


def test_the_end_of_an_utterance_is_not_late() -> None:
    """Its last frames were previewed in the pause. They become final one by one, and only then it is closed."""
    timeline = MotionTimeline(55)
    playout = Playout(timeline, LAYOUT, np.zeros(55), np.ones(55))
    presenter = Presenter(timeline, playout, StartDelay(140 * MS, 140 * MS), 1, 25.0)
    timeline.reset(1)
    motion = np.zeros((25, 55), np.float32)
    for now in range(0, 2400, 10):
        if now % 20 == 0 and now < 1000:
            piece = AudioPiece(now * MS, CHUNK, False, now)
            presenter.hear(1, T0, T0 + (now + 20) * MS, (now + 20) * MS, CHUNK, piece)
        if now == 0:
            timeline.merge(1, 0, motion[:23], 23)
        if now == 1040:
            timeline.preview(1, motion[23:])
        if now in (2000, 2010):
            timeline.merge(1, timeline.end, motion[timeline.end :], 1)
        if now == 2050:
            timeline.close(1)
        presenter.sample(T0 + now * MS)
        presenter.due_audio(T0 + now * MS)
    assert presenter.status.underflows == 0


def test_it_waits_until_frame_and_sound_begin_and_while_they_are_late() -> None:
    timeline = MotionTimeline(55)
    playout = Playout(timeline, LAYOUT, np.zeros(55), np.ones(55))
    presenter = Presenter(timeline, playout, StartDelay(140 * MS, 140 * MS), 1, 25.0)
    timeline.reset(1)
    waited = []
    for now in range(0, 1200, 20):
        if now < 1000:
            piece = AudioPiece(now * MS, CHUNK, False, now)
            presenter.hear(1, T0, T0 + now * MS, (now + 20) * MS, CHUNK, piece)
        if now == 200:  # 60 ms late
            timeline.merge(1, 0, np.zeros((5, 55), np.float32), 5)
        if now == 700:
            timeline.merge(1, 5, np.zeros((20, 55), np.float32), 20)
        presenter.sample(T0 + now * MS)
        if presenter.waits:
            waited.append(now)
    assert waited[0] == 0
    assert 180 in waited
    assert not {300, 360, 800, 1000} & set(waited)
    assert 680 in waited, 'longer than a frame is held'
