# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.layout import arkit_layout, flame_layout
from diffposetalk_ros.motion.regions import RegionValues, region_of
from diffposetalk_ros.playout.idle import IdleMotion
from diffposetalk_ros.playout.interpolation import interpolate
from diffposetalk_ros.playout.playout import Playout, PlayoutConfig, PlayoutState
from diffposetalk_ros.playout.presentation_clock import PresentationClock
from diffposetalk_ros.playout.timeline import MotionTimeline

LAYOUT = arkit_layout()
JAW = LAYOUT.index('jawOpen')
HEAD = LAYOUT.head_rotation
MS = 1_000_000
T0 = 5_000_000 * MS
REST, IDLE, SPEAKING, HOLDING, EASING = PlayoutState


def talk(frames: int, seed: int = 0) -> np.ndarray:
    """Motion in model space: jaw and head swing, all within range."""
    t = np.arange(frames) / 25
    motion = np.zeros((frames, 55), np.float32)
    motion[:, JAW] = 0.3 + 0.3 * np.sin(2 * np.pi * 3 * t + seed)
    motion[:, HEAD] = 0.2 * np.sin(2 * np.pi * t[:, None] + np.arange(3))
    return motion


def running(epoch: int, origin: int) -> PresentationClock:
    clock = PresentationClock(epoch, origin)
    clock.run(origin, 0)
    return clock


def make(
    frames: int = 50, closed: bool = True, idle: bool = False, **config
) -> tuple[Playout, MotionTimeline]:
    timeline = MotionTimeline(55)
    timeline.merge(0, 0, talk(frames), frames)
    if closed:
        timeline.close(0)
    source = IdleMotion(LAYOUT) if idle else None
    playout = Playout(
        timeline, LAYOUT, np.zeros(55), np.ones(55), config=PlayoutConfig(**config), idle=source
    )
    playout.clock = running(0, T0)
    return playout, timeline


def watch(playout: Playout, start: float, stop: float, step: float = 0.02) -> tuple[np.ndarray, list]:
    """Rows and states for times relative to T0, in seconds."""
    frames = [playout.sample(T0 + round(t * 1e9)) for t in np.arange(start, stop - 1e-9, step)]
    return np.stack([f.row for f in frames]), [f.state for f in frames]


def due(frame: float) -> int:
    """Time of a frame, the middle of its sound, in ns."""
    return T0 + round((frame + 0.5) * 40) * MS


def test_at_its_time_a_frame_is_shown_exactly():
    playout, _ = make(attack=0.0)
    for i in range(50):
        frame = playout.sample(due(i))
        assert (frame.state, frame.frame) == (SPEAKING, i)
        np.testing.assert_allclose(frame.row, talk(50)[i], atol=1e-6)


def test_between_frames_the_face_follows_the_curve_through_its_neighbours():
    playout, _ = make()
    motion = talk(50).astype(np.float64)
    row = playout.sample(due(7.25)).row
    np.testing.assert_allclose(row, interpolate(*motion[6:10], 0.25, HEAD), atol=1e-6)
    assert min(motion[7, JAW], motion[8, JAW]) <= row[JAW] <= max(motion[7, JAW], motion[8, JAW])


def test_model_space_becomes_units_of_the_layout():
    timeline = MotionTimeline(55)
    timeline.merge(0, 0, np.full((2, 55), 2.0, np.float32), 2)
    playout = Playout(timeline, LAYOUT, np.full(55, 0.1), np.full(55, 0.2))
    playout.clock = running(0, T0)
    assert playout.sample(T0).row[JAW] == pytest.approx(0.5)


@pytest.mark.parametrize('rate', [10, 25, 50, 60, 120])
def test_an_utterance_from_idle_to_idle_has_no_jump_at_any_rate(rate):
    playout, _ = make(idle=True)
    rows, states = watch(playout, -1.0, 4.0, 1 / rate)
    order = [s for i, s in enumerate(states) if i == 0 or s != states[i - 1]]
    assert order == [IDLE, SPEAKING, EASING, IDLE]
    speed = np.abs(np.diff(rows[:, JAW])) * rate
    assert speed.max() < 14  # the jaw opens 0.6 within the attack of 80 ms: 1.875 * 0.6 / 0.08
    assert states.count(SPEAKING) == pytest.approx(2.0 * rate, abs=1.5)


def test_a_late_frame_is_held_then_eased_to_rest_and_resumed_without_a_jump():
    playout, timeline = make(25, closed=False)
    rows, states = watch(playout, 0, 2.0)
    assert HOLDING in states and EASING in states and states[-1] == REST
    held = [r for r, s in zip(rows, states, strict=True) if s == HOLDING]
    assert 0.08 <= 0.02 * len(held) <= 0.14
    assert np.ptp(np.stack(held), axis=0).max() == 0
    assert np.abs(rows[-1]).max() == 0
    timeline.merge(0, 25, talk(60)[25:], 35)
    timeline.close(0)
    more, states = watch(playout, 2.0, 2.3)
    assert states[0] == SPEAKING
    assert np.abs(np.diff(np.concatenate([rows[-1:], more])[:, JAW])).max() * 50 < 14


def test_a_frame_that_comes_during_the_hold_goes_on_without_ease():
    playout, timeline = make(25, closed=False)
    watch(playout, 0, 1.04)
    assert playout.sample(due(25.5)).state == HOLDING
    timeline.merge(0, 25, talk(60)[25:], 35)
    frame = playout.sample(due(27))
    assert frame.state == SPEAKING
    np.testing.assert_allclose(frame.row, talk(60)[27], atol=1e-6)


def test_before_the_first_frame_nothing_is_late():
    playout = Playout(MotionTimeline(55), LAYOUT, np.zeros(55), np.ones(55))
    playout.clock = running(0, T0)
    _, states = watch(playout, -0.2, 0.5)
    assert set(states) == {REST}


def test_while_audio_pauses_provisional_frames_are_shown_and_nothing_is_missed():
    playout, timeline = make(20, closed=False)
    timeline.preview(0, talk(24)[20:])
    rows, states = watch(playout, 0, 1.9)
    assert states.count(SPEAKING) in (47, 48) and HOLDING not in states and states[-1] == REST
    assert np.abs(np.diff(rows[:, JAW])).max() * 50 < 14
    # The pause is over: its frames and those of the new sound are final now.
    timeline.merge(0, 20, talk(100)[20:], 80)
    more, states = watch(playout, 1.9, 2.6)
    assert set(states) == {SPEAKING}
    np.testing.assert_allclose(more[-1], playout.sample(T0 + 2580 * MS).row)


def test_a_provisional_frame_gives_way_to_the_final_one_without_a_jump():
    playout, timeline = make(20, closed=False, attack=0.0)
    timeline.preview(0, talk(30)[20:] + np.float32(0.1))
    rows, _ = watch(playout, 0, 0.9)
    timeline.merge(0, 20, talk(100)[20:], 80)
    more, _ = watch(playout, 0.9, 1.22)
    both = np.concatenate([rows[-1:], more])[:, JAW]
    assert np.abs(np.diff(both)).max() * 50 < 10
    final = interpolate(*talk(100)[28:32].astype(np.float64), 0.5, HEAD)
    np.testing.assert_allclose(more[-1][JAW], final[JAW], atol=1e-6)


def test_brows_and_head_take_longer_than_the_mouth():
    playout, _ = make(50)
    brow = LAYOUT.index('browInnerUp')
    playout._timeline.reset(5)
    motion = np.full((50, 55), 0.5, np.float32)
    playout._timeline.merge(5, 0, motion, 50)
    playout.clock = running(5, T0)
    rows, _ = watch(playout, -0.1, 0.6, 0.01)
    there = [int(np.argmax(rows[:, i] >= 0.4999)) for i in (JAW, brow, 54)]
    assert there[0] < there[1] < there[2]


@pytest.mark.parametrize('rate', [25, 50, 120])
@pytest.mark.parametrize('ease', [0.05, 0.15, 2.0])
@pytest.mark.parametrize('smoothing', [0.0, 0.3])
def test_an_interrupt_brings_the_mouth_to_rest_within_200_ms(rate, ease, smoothing):
    playout, timeline = make(idle=True, ease=ease, smoothing=smoothing)
    rows, _ = watch(playout, 0, 1.0, 1 / rate)
    last = rows[-1][JAW]
    playout.interrupt()
    timeline.reset()
    after, states = watch(playout, 1.0, 1.4, 1 / rate)
    assert EASING in states and states[-1] == IDLE
    assert np.abs(after[int(np.ceil(0.2 * rate)) :, JAW]).max() == 0
    speed = np.abs(np.diff(np.concatenate([[last], after[:, JAW]]))) * rate
    assert speed.max() <= 1.875 * last / min(ease, 0.15) + 0.05


def test_an_interrupt_also_hurries_a_slow_ease():
    playout, _ = make(25, ease=5.0, hold=0.0)
    watch(playout, 0, 1.1)
    assert playout.sample(T0 + 1100 * MS).state == EASING
    playout.interrupt()
    assert np.abs(watch(playout, 1.1, 1.34)[0][-1][:52]).max() < 1e-6


def test_the_next_utterance_after_an_interrupt_is_unaffected():
    playout, timeline = make()
    watch(playout, 0, 1.0)
    playout.interrupt()
    epoch = timeline.reset()
    watch(playout, 1.0, 1.5)
    timeline.merge(epoch, 0, talk(50), 50)
    playout.clock = running(epoch, T0 + 1480 * MS)
    rows, states = watch(playout, 1.5, 2.5, 0.04)
    assert set(states) == {SPEAKING}
    np.testing.assert_allclose(rows[3:, :52], talk(50)[3:25, :52], atol=1e-5)  # after the attack
    np.testing.assert_allclose(rows[9:], talk(50)[9:25], atol=1e-5)  # the head takes longer


def test_frames_of_another_epoch_are_not_played():
    playout, timeline = make()
    timeline.reset()
    timeline.merge(1, 0, talk(50), 50)
    timeline.forget_before(1)
    assert playout.sample(T0 + 400 * MS).state == REST


def test_strengths_scale_their_region_only_and_changes_fade():
    playout, _ = make(100)
    watch(playout, 0, 1.0)
    before = playout.sample(T0 + 1000 * MS).row
    playout.update(PlayoutConfig(strengths=RegionValues(mouth=0.0, head=2.0)))
    rows, _ = watch(playout, 1.02, 1.6)
    assert np.abs(rows[0] - before).max() < 0.12
    assert rows[-1][JAW] == pytest.approx(0, abs=1e-6)
    motion = talk(100)
    np.testing.assert_allclose(playout.sample(due(40)).row[HEAD], 2 * motion[40, HEAD], atol=1e-6)


def test_every_channel_has_a_region():
    regions = {region_of(name) for name in LAYOUT.names}
    assert regions == {'mouth', 'eyes', 'brows', 'cheeks', 'head'}
    assert region_of('jawOpen') == region_of('tongueOut') == region_of('exp00') == 'mouth'
    assert region_of('noseSneerLeft') == 'cheeks'


def test_smoothing_halves_a_step_in_its_half_life():
    timeline = MotionTimeline(55)
    motion = np.zeros((100, 55), np.float32)
    motion[25:, JAW] = 0.8
    timeline.merge(0, 0, motion, 100)
    playout = Playout(timeline, LAYOUT, np.zeros(55), np.ones(55), config=PlayoutConfig(smoothing=0.1))
    playout.clock = running(0, T0)
    rows, _ = watch(playout, 0, 2.0, 0.005)
    assert rows[int(1.1 / 0.005), JAW] == pytest.approx(0.4, abs=0.06)
    assert rows[-1, JAW] == pytest.approx(0.8, abs=0.002)


def test_values_stay_within_the_layout():
    timeline = MotionTimeline(55)
    timeline.merge(0, 0, np.full((5, 55), 9.0, np.float32), 5)
    playout = Playout(timeline, LAYOUT, np.zeros(55), np.ones(55))
    playout.clock = running(0, T0)
    row = playout.sample(T0).row
    assert row[:52].max() == 1 and np.abs(row[52:]).max() <= np.float32(np.pi)


def test_flame_layout_plays_its_jaw_behind_the_head():
    layout = flame_layout()
    timeline = MotionTimeline(54)
    motion = np.zeros((3, 54), np.float32)
    motion[:, 53] = 0.3
    motion[:, 0] = -2.0
    timeline.merge(0, 0, motion, 3)
    playout = Playout(timeline, layout, np.zeros(54), np.ones(54))
    playout.clock = running(0, T0)
    row = playout.sample(T0 + 20 * MS).row
    assert (row[53], row[0]) == (pytest.approx(0.3), pytest.approx(-2.0))


def test_time_standing_still_or_slightly_back_is_harmless():
    playout, _ = make(idle=True)
    for t in (1000, 1000, 990, 1000, 1020):
        assert np.isfinite(playout.sample(T0 + t * MS).row).all()


def test_wrong_statistics_and_settings_are_refused():
    with pytest.raises(ConfigError, match='mean'):
        Playout(MotionTimeline(55), LAYOUT, np.zeros(54), np.ones(55))
    with pytest.raises(ConfigError, match='hold -1'):
        PlayoutConfig(hold=-1)
