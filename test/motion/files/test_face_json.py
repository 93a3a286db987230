# SPDX-License-Identifier: Apache-2.0
"""JSON of other programs is read however it spells its names, and a frame that is wrong is named."""

from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.files.face_json import face_from_json, rows_of
from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES

NAMES = list(ARKIT_BLENDSHAPES)
ROW = [0.25] * len(NAMES)


@pytest.mark.parametrize(
    ('key', 'scale'),
    [
        ('time', 1), ('Time', 1), ('TIMESTAMP', 1e3), ('timeStamp', 1), ('Time_s', 1), ('T', 1), ('TimestampMs', 1e3),
        ('timestamp_ms', 1e3), ('Timestamp_MS', 1e3), ('timestamp_us', 1e6), ('seconds', 1),
    ],
)  # fmt: skip
@pytest.mark.parametrize('weights', ['weights', 'Weights', 'BlendShapes', 'face_blendshapes', ''])
def test_times_and_weights_are_found_in_any_spelling(key: str, scale: float, weights: str) -> None:
    shown = dict(zip(NAMES, ROW, strict=True))
    frames = [{key: scale * i / 50, **({weights: shown} if weights else shown)} for i in range(4)]
    clip = face_from_json(frames, None)
    assert clip.fps == 50 and clip.values.shape == (4, 52) and not clip.meta
    np.testing.assert_array_equal(clip.values, 0.25)


def test_a_timecode_that_does_not_suffice_leaves_it_to_another_time() -> None:
    shown = dict(zip(NAMES, ROW, strict=True))
    frames = [{**shown, 'timecode': f'00:00:07:0{i}', 'Time': 7 + i / 50} for i in range(4)]
    assert face_from_json(frames, None).fps == 50


@pytest.mark.parametrize('key', ['fps', 'FPS', 'exportFps', 'frame_rate', 'FrameRate'])
def test_the_rate_is_found_in_any_spelling(key: str) -> None:
    content = {key: 48, 'names': NAMES, 'frames': [{'weights': ROW}] * 3}
    assert face_from_json(content, None).fps == 48


@pytest.mark.parametrize(
    ('rows', 'told'),
    [
        ([[1, 2], [3]], 'frame 1 has 1 numbers, but there are 2 names'),
        ([[1, 2], [3, None]], 'frame 1, b: null is not a number'),
        ([[1, [2]]], r'frame 0, b: \[2\] is not a number'),
        ([[1, 2], 'ab'], 'frame 1 is "ab" instead of a list of numbers'),
        ({'a': 1}, 'instead of a list of frames'),
    ],
)
def test_rows_that_do_not_fit_are_named(rows: object, told: str) -> None:
    with pytest.raises(MotionError, match=told):
        rows_of(rows, ['a', 'b'])


def test_an_empty_row_is_a_frame_without_a_face_only_where_that_may_be() -> None:
    np.testing.assert_array_equal(rows_of([[1, 2], [], None], ['a', 'b'], gaps=True)[1:], np.nan)
    with pytest.raises(MotionError, match='frame 1 has 0 numbers'):
        rows_of([[1, 2], []], ['a', 'b'])
