# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.playout.listener_nods import ListenerNods

FPS = 50
DEPTH = 0.08


def pitch(voice: list[tuple[float, bool]], seed: int = 0) -> np.ndarray:
    """Pitch at 50 Hz while ``voice`` (seconds, whether somebody speaks) goes on."""
    nods, out = ListenerNods(seed), []
    for seconds, speaks in voice:
        out += [nods.at((len(out) + k) / FPS, speaks, DEPTH) for k in range(round(seconds * FPS))]
    return np.array(out)


def starts(track: np.ndarray) -> np.ndarray:
    """Moments in s at which the head begins to nod."""
    moving = track > 0
    return np.flatnonzero(moving[1:] & ~moving[:-1]) / FPS


def peaks(track: np.ndarray) -> np.ndarray:
    inner = track[1:-1]
    return inner[(inner > track[:-2]) & (inner >= track[2:])]


def test_nobody_nods_in_silence_or_to_a_short_sound() -> None:
    assert not pitch([(60.0, False)]).any()
    assert not pitch([(0.4, True), (2.0, False)] * 20).any()


def test_the_listener_nods_at_most_pauses_at_once() -> None:
    track = pitch([(2.0, True), (3.0, False)] * 60)
    after = np.array([track[5 * FPS * k + 2 * FPS :][: FPS // 2].any() for k in range(60)])
    assert 0.5 < after.mean() < 0.9, 'most pauses, but not every one'


def test_the_listener_nods_to_long_speech_a_few_times_a_minute() -> None:
    track = pitch([(300.0, True)])
    begun = starts(track)
    rows = begun[np.diff(begun, prepend=-9) > 1.0]
    assert 5 <= len(rows) / 5 <= 12
    assert np.diff(rows).max() > 2 * np.diff(rows).min(), 'at irregular times'


def test_a_row_of_nods_becomes_smaller_and_moves_smoothly() -> None:
    track = pitch([(2.0, True), (4.0, False)] * 40)
    tops = peaks(track)
    assert tops.max() == pytest.approx(DEPTH, rel=0.02) and track.min() >= 0
    assert {round(top / DEPTH, 1) for top in tops} == {1.0, 0.6, 0.4}
    # At most pi * depth / period, with no step where a nod begins.
    assert np.abs(np.diff(track)).max() * FPS < np.pi * DEPTH / 0.45 * 1.01
    assert np.abs(np.diff(track, 2)).max() * FPS**2 < 2 * np.pi**2 * DEPTH / 0.45**2 * 1.01


def test_a_voice_from_before_the_listener_s_own_speech_gets_no_nod() -> None:
    nods = ListenerNods()
    for k in range(100):
        nods.at(k / FPS, True, DEPTH)
    assert not any(nods.at(10.0 + k / FPS, False, DEPTH) for k in range(100))


def test_the_listener_nods_again_after_the_clock_was_set_back() -> None:
    nods = ListenerNods()
    for k in range(100 * FPS):
        nods.at(1000.0 + k / FPS, True, DEPTH)
    assert any(nods.at(k / FPS, True, DEPTH) for k in range(30 * FPS))


def test_the_seed_chooses_the_nods() -> None:
    voice = [(2.0, True), (2.0, False)] * 10
    np.testing.assert_array_equal(pitch(voice), pitch(voice))
    assert (pitch(voice, 1) != pitch(voice)).any()
