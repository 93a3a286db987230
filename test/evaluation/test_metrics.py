# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.evaluation import metrics

RNG = np.random.default_rng(0)
FACE = RNG.normal(size=(50, 7, 3))


def test_lve_takes_the_largest_distance_of_each_frame() -> None:
    moved = FACE.copy()
    moved[:, 2] += (3.0, 0.0, 4.0)
    moved[:, 5, 1] += 1.0
    assert metrics.lip_vertex_error(moved, FACE) == pytest.approx(5.0)
    moved[25:] = FACE[25:]
    assert metrics.lip_vertex_error(moved, FACE) == pytest.approx(2.5)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.1, 10.0))
def test_lve_and_diversity_scale_with_the_unit(scale: float) -> None:
    other = FACE[::-1]
    assert metrics.lip_vertex_error(scale * FACE, scale * other) == pytest.approx(
        scale * metrics.lip_vertex_error(FACE, other)
    )
    assert metrics.diversity([scale * FACE, scale * other]) == pytest.approx(
        scale * metrics.diversity([FACE, other])
    )


def test_motions_of_different_length_are_refused() -> None:
    with pytest.raises(MotionError, match='cannot be compared'):
        metrics.lip_vertex_error(FACE, FACE[1:])
    with pytest.raises(MotionError, match='cannot be compared'):
        metrics.mouth_opening_difference(np.zeros(3), np.zeros(4))
    with pytest.raises(MotionError, match='same rig'):
        metrics.upper_face_dynamics_deviation(FACE, FACE[:, 1:], FACE[0])


def test_fdd_is_the_lost_standard_deviation() -> None:
    neutral = np.zeros((4, 3))
    swing = (2.0 + np.sin(2 * np.pi * np.arange(100) / 25))[:, None, None]
    reference = swing * np.array([0.0, 1.0, 0.0]) * np.ones((1, 4, 1))
    still = np.full_like(reference, 2.0) * np.array([0.0, 1.0, 0.0])
    fdd = metrics.upper_face_dynamics_deviation(still, reference, neutral)
    assert fdd == pytest.approx(np.sqrt(0.5))
    assert metrics.upper_face_dynamics_deviation(reference, still, neutral) == pytest.approx(-fdd)


def test_mod_is_the_mean_absolute_difference() -> None:
    assert metrics.mouth_opening_difference(np.array([1.0, 5.0]), np.array([2.0, 2.0])) == 2.0


def _nods(times: list[float], fps: float, seconds: float = 8.0) -> np.ndarray:
    """Head that turns about x by a smooth step at each of the given times."""
    clock = (np.arange(int(seconds * fps)) + 0.5) / fps
    turn = sum(0.1 / (1 + np.exp(-(clock - t) / 0.04)) for t in times)
    return np.stack([turn, 0 * clock, 0 * clock], axis=1)


@pytest.mark.parametrize('fps', [25.0, 60.0])
def test_beats_are_found_where_the_head_moves(fps: float) -> None:
    times = [1.0, 2.2, 3.9, 6.5]
    assert metrics.head_beats(_nods(times, fps), fps) == pytest.approx(times, abs=1.5 / fps)


def test_still_head_has_no_beats() -> None:
    assert len(metrics.head_beats(np.zeros((50, 3)))) == 0
    assert len(metrics.head_beats(np.zeros((2, 3)))) == 0
    assert metrics.beat_alignment(np.empty(0), np.array([1.0])) == 0.0


def test_beat_alignment_falls_off_as_a_gaussian_of_three_frames() -> None:
    beats = np.array([1.0, 3.0])
    assert metrics.beat_alignment(beats, beats) == 1.0
    assert metrics.beat_alignment(beats + 3 / 25, beats) == pytest.approx(np.exp(-0.5))


def test_diversity_of_equal_samples_is_zero() -> None:
    assert metrics.diversity([FACE, FACE]) == 0.0
    assert metrics.diversity([FACE]) == 0.0
    assert metrics.diversity([FACE, FACE + (0.0, 2.0, 0.0)]) == pytest.approx(2.0)
    assert metrics.diversity([FACE, FACE, FACE + (0.0, 3.0, 0.0)]) == pytest.approx(2.0)


def test_seam_ratio_is_one_for_steady_motion_and_grows_with_a_jump() -> None:
    steady = np.arange(100.0)[:, None, None] * np.ones((1, 5, 3))
    assert metrics.seam_velocity_ratio(steady, [50]) == pytest.approx(1.0)
    jump = steady.copy()
    jump[50:] += 3.0
    assert metrics.seam_velocity_ratio(jump, [50]) == pytest.approx(4.0)
    assert metrics.seam_velocity_ratio(jump, [30]) < 1.0


@pytest.mark.parametrize('seams', [[], [0], [100], [500]])
def test_clip_without_seams_is_refused(seams: list[int]) -> None:
    with pytest.raises(MotionError, match='no seam'):
        metrics.seam_velocity_ratio(np.zeros((100, 5, 3)), seams)
