# SPDX-License-Identifier: Apache-2.0
"""Converts the numbers that a page sends for one picture of its camera to a reading for the calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from diffposetalk_ros.errors import VideoError
from diffposetalk_ros.tracking.face_track import FaceReading
from diffposetalk_ros.tracking.landmarks import FEATURES, nearest_rotation

__all__ = ['reading_of']

# The layout is that of viewer/page/face_reading.js.
_PARTS = {
    'change': 1, 'light': 1, 'contrast': 1, 'eyes': 1, 'place': 2, 'matrix': 9,
    'features': len(FEATURES), 'scores': 52,
}  # fmt: skip
_COUNT = sum(_PARTS.values())
_LARGEST = 1e5


def reading_of(numbers: NDArray[np.float32]) -> FaceReading:
    """Numbers (77,) of a picture with a face, or (1,) of one without. Raises VideoError for anything else."""
    if len(numbers) not in (1, _COUNT) or not (np.abs(numbers) < _LARGEST).all():
        raise VideoError(f'{len(numbers)} numbers do not describe a face; reload the page')
    values = np.asarray(numbers, np.float64)
    if len(values) == 1:
        return FaceReading(0, float(values[0]))
    ends = np.cumsum(list(_PARTS.values()))[:-1]
    part = dict(zip(_PARTS, np.split(values, ends), strict=True))
    matrix = part['matrix'].reshape(3, 3)
    if abs(np.linalg.det(matrix)) < 1e-6:
        raise VideoError('the head of the page is flat; reload the page')
    return FaceReading(
        1,
        float(part['change'][0]),
        np.clip(part['scores'], 0.0, 1.0),
        part['features'],
        np.asarray(Rotation.from_matrix(nearest_rotation(matrix)).as_rotvec(), np.float64),
        float(part['eyes'][0]),
        float(part['light'][0]),
        float(part['contrast'][0]),
        part['place'][None],
    )
