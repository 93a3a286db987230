# SPDX-License-Identifier: Apache-2.0
"""Measures of a living face, on motion whose figures are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.evaluation.alive.measures import aliveness, head_bands, seam_ratio, spread_of
from diffposetalk_ros.evaluation.alive.people import people_found, read_tracks
from diffposetalk_ros.evaluation.alive.realism import auc, told_apart, with_tracker_noise
from diffposetalk_ros.evaluation.alive.report import AliveReport, markdown
from diffposetalk_ros.model.loader import open_model
from diffposetalk_ros.motion.layout import arkit_layout

LAYOUT = arkit_layout()
TIME = np.arange(25 * 40) / 25


def waves(hertz: float, degrees: float) -> np.ndarray:
    motion = np.zeros((len(TIME), 55), np.float32)
    motion[:, 53] = np.radians(degrees) * np.sin(2 * np.pi * hertz * TIME)
    return motion


def test_power_lies_in_the_band_of_the_wave() -> None:
    for index, hertz in enumerate((0.25, 0.75, 1.5, 3.0, 6.0, 10.0)):
        bands = head_bands(waves(hertz, 3.0)[:, 52:55], 25.0)
        assert bands[index] > 0.75 and sum(bands) == pytest.approx(1)


def test_ranges_speeds_and_smoothness_of_a_wave() -> None:
    found = aliveness(waves(0.5, 5.0), 25.0)
    assert found['yaw_range'] == pytest.approx(2 * 5 * np.sin(0.45 * np.pi), rel=0.01)
    assert found['pitch_range'] == found['roll_range'] == 0
    assert found['head_speed'] == pytest.approx(2 * np.pi * 0.5 * 5 / 2**0.5, rel=0.01)
    assert found['head_autocorrelation'] > 0.98
    assert found['head_acceleration_per_speed'] == pytest.approx(2 * np.pi * 0.5, rel=0.02)
    assert aliveness(waves(9.0, 1.0), 25.0)['head_above_2_hz'] > 0.99


def test_raises_blinks_and_sides_are_counted() -> None:
    motion = np.zeros((len(TIME), 55), np.float32)
    bump = np.exp(-(((TIME[:, None] - np.arange(2, 40, 4)) / 0.2) ** 2)).sum(1)
    for name in ('browInnerUp', 'browOuterUpLeft', 'browOuterUpRight'):
        motion[:, LAYOUT.index(name)] = 0.3 * bump
    motion[:, LAYOUT.index('mouthSmileLeft')] = 0.3
    motion[:, LAYOUT.index('mouthSmileRight')] = 0.1
    for side in ('Left', 'Right'):
        motion[:, LAYOUT.index(f'eyeBlink{side}')] = np.exp(
            -(((TIME[:, None] - 1 - np.arange(0, 40, 8)) / 0.1) ** 2)
        ).sum(1)
    found = aliveness(motion, 25.0)
    assert found['brow_raises'] == pytest.approx(10 / (40 / 60))
    assert found['blinks'] == pytest.approx(5 / (40 / 60)) and found['blinks_well_formed'] == 1
    assert found['smile_mean'] == pytest.approx(0.2)
    assert 0.02 < found['asymmetry'] < 0.2


def test_a_jump_at_every_seam_is_seen() -> None:
    smooth = np.sin(TIME)[:, None]
    jumping = smooth + 0.02 * (np.arange(len(TIME)) // 2 % 2)[:, None]
    seams = range(2, len(TIME), 2)
    assert seam_ratio(smooth, seams) == pytest.approx(1, abs=0.01)
    assert seam_ratio(jumping, seams) > 1.1
    assert spread_of(np.linspace(0, 1, 101)) == pytest.approx(0.9)


def test_the_page_says_what_is_out_of_range() -> None:
    values = dict.fromkeys(aliveness(waves(0.5, 5.0), 25.0), 0.0) | {'blinks': 3.0, 'blink_ms_spread': 90.0}
    page = markdown(
        AliveReport({'model': 'x'}, {'Live': {'neutral': values}}, {'Live': {'blink_rate': 0.93}})
    )
    assert 'blinks of neutral: 3.00, wanted 14.00 to 30' in page
    assert '| blink_rate | 0.93 |' in page


def test_tracks_are_read_and_others_refused(tmp_path: Path) -> None:
    names = np.array(LAYOUT.names[:51])
    weights = np.zeros((80, 51), np.float16)
    weights[:, 17] = 0.5
    np.savez(
        tmp_path / 'a.npz',
        weights=weights,
        names=names,
        head_rotation=np.zeros((80, 3), np.float32),
        fps=25.0,
    )
    (track,) = (found := read_tracks(tmp_path)).values()
    assert list(found) == ['a']
    assert track.shape == (80, 55) and track[0, LAYOUT.index('jawOpen')] == 0.5
    np.savez(tmp_path / 'b.npz', weights=weights)
    with pytest.raises(MotionError, match=r'b\.npz'):
        read_tracks(tmp_path)
    with pytest.raises(MotionError, match='no tracks'):
        read_tracks(tmp_path / 'nowhere')


def test_a_person_is_looked_for_among_others() -> None:
    turning, smiling, nodding = waves(0.5, 6.0), waves(2.0, 2.0), waves(1.0, 1.0)
    smiling[:, [LAYOUT.index(f'mouthSmile{side}') for side in ('Left', 'Right')]] = 0.6
    nodding[:, [52, 53]] = 3 * nodding[:, [53, 52]]
    nodding = nodding[:150]
    model = open_model('embedded')
    # The clips of `a` are equal: a measure that took the second for another person would call it a miss.
    tracks = {'a_1': turning, 'a_2': turning, 'b_1': smiling, 'c': nodding}
    assert people_found(model, tracks) == {
        'second half finds the first': 1.0,
        'first half finds the second': 1.0,
        'halves of 4 s or more find each other (6 cases)': 1.0,
        'another clip of the person is found (2 cases)': 1.0,
    }
    # Whoever is moved in another clip as somebody else moves is taken for that person.
    tracks = {'a_1': turning, 'a_2': smiling, 'b_1': smiling, 'c': turning}
    assert people_found(model, tracks)['another clip of the person is found (2 cases)'] == 0.0
    del tracks['a_2']
    assert not any('another clip' in measure for measure in people_found(model, tracks))


def test_trembling_is_told_from_gliding_and_like_from_like_is_not() -> None:
    rng = np.random.default_rng(0)

    def clips(hertz: float) -> list[np.ndarray]:
        return [waves(hertz * rng.uniform(0.8, 1.25), rng.uniform(2, 6))[:200] for _ in range(12)]

    assert told_apart(clips(0.4), clips(1.6)) > 0.95
    tracked = [with_tracker_noise(clip, rng) for clip in clips(0.4)]
    assert 0.2 < told_apart(tracked, clips(0.4)) < 0.85
    assert auc(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, True, False, True])) == pytest.approx(0.75)
