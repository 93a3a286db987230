# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.model.loader import named_styles, nonverbal_network
from diffposetalk_ros.motion.layout import arkit_layout, flame_layout
from diffposetalk_ros.nonverbal.eye_measures import blink_events, gaze_of
from diffposetalk_ros.nonverbal.stream import NonverbalStream
from diffposetalk_ros.nonverbal.traits import TRAITS, Amounts, Traits
from diffposetalk_ros.playout.idle import IdleMotion
from diffposetalk_ros.util.resources import find_model

LAYOUT = arkit_layout()
FOLDER = find_model()
STYLES = named_styles(FOLDER)


def traits(style: str) -> Traits:
    return Traits(STYLES[style][-len(TRAITS) :])


def idle_motion(seed: int = 0, style: str = 'neutral') -> IdleMotion:
    network = nonverbal_network(FOLDER)
    assert network is not None
    unit = np.zeros(55, np.float32), np.ones(55, np.float32)
    return IdleMotion(LAYOUT, seed, NonverbalStream(network, traits(style), *unit, seed))


def track(idle: IdleMotion, seconds: float, fps: float = 50.0) -> np.ndarray:
    return np.stack([idle.at(k / fps) for k in range(round(seconds * fps))]).astype(np.float32)


@pytest.fixture(scope='module')
def minute() -> np.ndarray:
    return track(idle_motion(), 60.0)


def test_it_is_a_function_of_seed_and_time(minute: np.ndarray) -> None:
    np.testing.assert_array_equal(track(idle_motion(), 4.0), minute[:200])
    assert np.abs(track(idle_motion(1), 4.0) - minute[:200]).max() > 0.02
    # Fewer times give the same face as all of them.
    np.testing.assert_array_equal(track(idle_motion(), 3.0, 10.0), minute[:150:5])


def test_after_speech_it_goes_on_where_it_was_without_making_up_for_it(minute: np.ndarray) -> None:
    idle = idle_motion()
    track(idle, 2.0)
    # Of the third second, 0.12 s were made ahead.
    after = np.stack([idle.at(60.0 + k / 50) for k in range(100)]).astype(np.float32)
    np.testing.assert_allclose(after, minute[106:206], atol=1e-5)


@pytest.mark.parametrize('back', [0.1, 2.0])
def test_it_goes_on_after_the_clock_was_set_back(minute: np.ndarray, back: float) -> None:
    idle = idle_motion()
    track(idle, 2.0)
    after = np.stack([idle.at(2.0 - back + k / 50) for k in range(100)]).astype(np.float32)
    # It goes on at a frame that it still has, without a jump.
    np.testing.assert_allclose(after, minute[98:198], atol=1e-5)


def test_the_eyes_blink_at_a_human_rate(minute: np.ndarray) -> None:
    blinks = blink_events(minute, 50.0)
    assert 10 <= len(blinks) <= 35
    assert all(blink.well_formed for blink in blinks)


def test_the_mouth_rests_with_the_style_s_smile(minute: np.ndarray) -> None:
    for name in ('jawOpen', 'mouthClose', 'mouthFunnel', 'mouthPucker', 'tongueOut'):
        assert not minute[:, LAYOUT.index(name)].any()
    smile = minute[:, LAYOUT.index('mouthSmileLeft')].mean()
    assert smile == pytest.approx(traits('neutral')['smile_level'], abs=0.05)
    assert minute[:, :52].min() >= 0 and minute[:, :52].max() <= 1


def test_the_head_moves_calmly_and_never_jumps(minute: np.ndarray) -> None:
    head = minute[:, 52:]
    assert np.degrees(head.std(0)).min() > 0.3
    assert np.degrees(np.abs(np.diff(head, axis=0))).max() < 2.0


def test_a_style_acts_at_rest_within_a_second() -> None:
    idle = idle_motion()
    before = track(idle, 2.0)
    idle.set_style(traits('sad'), Amounts())
    after = np.stack([idle.at(2.0 + k / 50) for k in range(200)])
    lids = [LAYOUT.index('eyeBlinkLeft'), LAYOUT.index('browInnerUp')]
    assert (np.median(after[75:, lids], 0) > np.median(before[:, lids], 0) + 0.2).all()
    assert np.abs(np.diff(after[:, 52:], axis=0)).max() < 0.03


def test_amounts_of_zero_hold_the_head_still() -> None:
    idle = idle_motion()
    idle.set_style(traits('lively'), Amounts(head=0.0, blinks=0.0))
    motion = track(idle, 20.0)[250:]
    assert np.degrees(np.ptp(motion[:, 52:], axis=0)).max() < 0.05
    assert not blink_events(motion, 50.0)


def test_without_a_network_the_head_sways_only() -> None:
    layout = flame_layout()
    row = IdleMotion(layout).at(3.3)
    assert row.shape == (54,)
    assert row[layout.head_rotation].any()
    assert not np.delete(row, layout.head_rotation).any()
    assert not IdleMotion(flame_layout(False)).at(3.3).any()


def listened(style: str, amounts: Amounts, voice: bool) -> np.ndarray:
    """Three minutes beside a person who speaks for 4 s and pauses for 2 s, or beside nobody."""
    idle = idle_motion(style=style)
    idle.set_style(traits(style), amounts)
    rows = []
    for k in range(9000):
        idle.listening = voice and k % 300 < 200
        rows.append(idle.at(k / 50))
    return np.stack(rows)


def test_a_listener_nods_and_looks_at_the_speaker() -> None:
    alone, listening = (listened('neutral', Amounts(), voice) for voice in (False, True))
    nods = np.degrees(listening - alone)[:, 52]
    assert 3.0 < nods.max() < 8.0
    hears = np.arange(len(alone)) % 300 < 200
    looked = [gaze_of(motion.astype(np.float32))[hears] for motion in (alone, listening)]
    met = [(np.hypot(*(g - np.median(g, 0)).T) < np.radians(4)).mean() for g in looked]
    assert met[0] < 0.78 < met[1] < 0.95, 'share of the time that the eyes rest on the person'
    assert not listening[:, LAYOUT.index('jawOpen')].any()


def test_nods_follow_the_style_and_the_amount_of_head_movement() -> None:
    def deepest(style: str, amounts: Amounts) -> float:
        motion = listened(style, amounts, True)[500:, 52]
        return float(np.degrees(np.abs(np.diff(motion)).max() * 50))

    assert deepest('still', Amounts()) < 5.0 < deepest('nodding', Amounts())
    assert deepest('nodding', Amounts(head=0.0)) < 1.0
