# SPDX-License-Identifier: Apache-2.0
"""The shipped network as a stream: independent of how sound is cut, in time, in every style."""

from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.audio.formats.file import read_audio
from diffposetalk_ros.evaluation.alive.measures import aliveness
from diffposetalk_ros.model.loader import named_styles, nonverbal_network
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.nonverbal.signals import SIGNALS, signals_of
from diffposetalk_ros.nonverbal.stream import NonverbalStream
from diffposetalk_ros.nonverbal.traits import TRAITS, Amounts, Traits
from diffposetalk_ros.util.resources import demo_clip, find_model

FOLDER = find_model()
STYLES = named_styles(FOLDER)
NETWORK = nonverbal_network(FOLDER)
PUCKER = arkit_layout().index('mouthPucker')


def stream(style: str = 'neutral', seed: int = 0) -> NonverbalStream:
    assert NETWORK is not None
    unit = np.zeros(55, np.float32), np.ones(55, np.float32)
    return NonverbalStream(NETWORK, Traits(STYLES[style][-len(TRAITS) :]), *unit, seed)


def motion(style: str, samples: np.ndarray, seed: int = 0, amounts: Amounts | None = None) -> np.ndarray:
    made = stream(style, seed)
    if amounts is not None:
        made.amounts = amounts
        made.reset(0)
    made.feed(samples)
    articulated = np.zeros((len(samples) // 640, 55), np.float32)
    # As much rounding as speech has on average.
    articulated[:, PUCKER] = 0.2
    return made.frames(articulated)


@pytest.fixture(scope='module')
def speech() -> np.ndarray:
    samples = read_audio(demo_clip())
    return np.tile(samples, 4)[: 60 * 16000].astype(np.float32)


def test_how_the_sound_is_cut_changes_nothing(speech: np.ndarray) -> None:
    speech = speech[: 6 * 16000]
    whole = motion('lively', speech)
    rng = np.random.default_rng(0)
    made, rows, fed = stream('lively'), [], 0
    articulated = np.zeros((1, 55), np.float32)
    articulated[:, PUCKER] = 0.2
    while fed < len(speech):
        size = int(rng.integers(1, 3000))
        made.feed(speech[fed : fed + size])
        fed += size
        # A frame may depend on the sound up to 80 ms after it.
        while len(rows) + 3 <= min(fed, len(speech)) // 640:
            made.frames(articulated, ahead=len(articulated))
            rows.append(made.frames(articulated)[0])
    np.testing.assert_array_equal(np.array(rows), whole[: len(rows)])


def test_later_sound_does_not_reach_back(speech: np.ndarray) -> None:
    changed = speech[: 6 * 16000].copy()
    changed[3 * 16000 :] = 0
    one, other = motion('lively', speech[: 6 * 16000]), motion('lively', changed)
    np.testing.assert_array_equal(one[:73], other[:73])
    assert np.abs(one[80:] - other[80:]).max() > 0.01


def test_levels_and_spreads_are_the_style_s(speech: np.ndarray) -> None:
    for style in ('neutral', 'lively', 'smiling', 'tilted'):
        traits = Traits(STYLES[style][-len(TRAITS) :])
        signals = np.concatenate([signals_of(motion(style, speech, seed)) for seed in (0, 1)])
        for k, name in enumerate(SIGNALS[:8]):
            assert abs(signals[:, k].mean() - traits.level[k]) < 0.6 * traits.spread[k] + 0.005, (style, name)
            assert 0.6 < signals[:, k].std() / traits.spread[k] < 1.5, (style, name)


def test_named_styles_do_what_they_say(speech: np.ndarray) -> None:
    found = {
        name: aliveness(motion(name, speech), 25.0)
        for name in ('neutral', 'still', 'nodding', 'large_head', 'frequent_blinks')
    }
    neutral = found['neutral']
    assert found['still']['head_speed'] < neutral['head_speed'] / 2
    assert found['nodding']['nod_rms'] > 2 * neutral['nod_rms']
    assert found['large_head']['yaw_range'] > 2 * neutral['yaw_range']
    assert found['frequent_blinks']['blinks'] > 2 * neutral['blinks']


def test_the_head_moves_as_people_s_do(speech: np.ndarray) -> None:
    found = aliveness(motion('neutral', speech), 25.0)
    assert found['head_above_2_hz'] < 0.07
    assert found['head_autocorrelation'] > 0.62
    assert 3.5 < found['pitch_range'] < 9 and 3.5 < found['yaw_range'] < 10
    assert 0.1 < found['brow_inner_range'] < 0.28


def test_amounts_of_zero_hold_everything_still(speech: np.ndarray) -> None:
    quiet = Amounts(head=0.0, brows=0.0, smile=0.0, blinks=0.0, gaze=0.0)
    made = motion('lively', speech[: 16000 * 10], 0, quiet)
    still = [
        k for k, name in enumerate(arkit_layout().names) if name.startswith(('head', 'eyeBlink', 'eyeLook'))
    ]
    assert np.ptp(made[:, still], axis=0).max() < 0.02


def test_a_new_style_is_reached_smoothly(speech: np.ndarray) -> None:
    made = stream('neutral')
    made.feed(speech[: 16000 * 6])
    rows = [made.frames(np.zeros((1, 55), np.float32))[0] for _ in range(50)]
    made.traits = Traits(STYLES['turned_away'][-len(TRAITS) :])
    rows += [made.frames(np.zeros((1, 55), np.float32))[0] for _ in range(80)]
    head = np.degrees(np.array(rows)[:, 52:])
    assert np.abs(np.diff(head[:, 1])).max() < 4.0
    assert head[-20:, 1].mean() < head[:50, 1].mean() - 8
