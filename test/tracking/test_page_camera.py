# SPDX-License-Identifier: Apache-2.0
"""What a page's camera sees, in numbers, becomes motion by the calibration of the tracking room."""

from __future__ import annotations

import numpy as np
import pytest
from face_tracks import column, make_track
from page_faces import page_faces
from scipy.spatial.transform import Rotation

from diffposetalk_ros.errors import VideoError
from diffposetalk_ros.tracking import page_camera
from diffposetalk_ros.tracking.calibration import calibrate, measure_profile
from diffposetalk_ros.tracking.page_camera import PageCamera
from diffposetalk_ros.tracking.page_reading import reading_of


def test_numbers_are_the_reading_they_were_made_of() -> None:
    numbers = page_faces(1)[0]
    head = Rotation.from_rotvec([0.1, -0.2, 0.05])
    numbers[6:15] = 2.5 * head.as_matrix().ravel()
    numbers[25 + column('jawOpen')] = 0.4
    reading = reading_of(numbers)
    np.testing.assert_allclose(reading.head, head.as_rotvec(), atol=1e-6)
    assert reading.scores is not None and reading.scores[column('jawOpen')] == pytest.approx(0.4)
    assert (reading.faces, reading.eye_distance, reading.light) == (1, 90.0, 0.5)
    assert reading_of(np.array([0.01], np.float32)).scores is None


@pytest.mark.parametrize('count', [0, 2, 76, 78])
def test_other_numbers_are_refused(count: int) -> None:
    with pytest.raises(VideoError, match=f'{count} numbers'):
        reading_of(np.zeros(count, np.float32))


@pytest.mark.parametrize('value', [np.nan, np.inf, 1e9])
def test_impossible_numbers_are_refused(value: float) -> None:
    numbers = page_faces(1)[0]
    numbers[30] = value
    with pytest.raises(VideoError, match='do not describe a face'):
        reading_of(numbers)
    with pytest.raises(VideoError, match='flat'):
        reading_of(np.zeros(77, np.float32))


def test_a_take_is_what_the_calibration_makes_of_the_same_track() -> None:
    scores = np.zeros((250, 52))
    scores[:, column('jawOpen')] = 0.3 + 0.3 * np.sin(np.arange(250) / 5)
    camera = PageCamera()
    for i, numbers in enumerate(page_faces(scores=scores)):
        row = camera.see('mine', numbers, 100 + i / 25)
    assert row is not None and row.shape == (55,)
    clip, quality = camera.take('mine', 10.0)
    track = make_track(250, scores=scores)
    wanted = calibrate(track, measure_profile(track))
    np.testing.assert_allclose(clip.values[:249, :52], wanted[:249, :52], atol=1e-3)
    assert quality.refusals() == [] and clip.duration == pytest.approx(10.0, abs=0.1)


def test_one_page_at_a_time_and_a_poor_take_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = PageCamera()
    numbers = page_faces(50)
    for i in range(50):
        camera.see('mine', numbers[i], i / 25)
    with pytest.raises(VideoError, match='another page'):
        camera.see('yours', numbers[0], 3.0)
    with pytest.raises(VideoError, match='this page has sent no face'):
        camera.take('yours', 10.0)
    with pytest.raises(VideoError, match=r'lasts 2.0 s'):
        camera.take('mine', 10.0)
    monkeypatch.setattr(page_camera, '_SILENT', 0.0)
    assert camera.see('yours', numbers[0], 3.0) is not None
