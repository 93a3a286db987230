# SPDX-License-Identifier: Apache-2.0
"""The numbers that a page sends of pictures of a face, without a browser."""

from __future__ import annotations

import struct

import numpy as np
from face_tracks import make_track


def page_faces(count: int = 250, **changes: object) -> np.ndarray:
    """Numbers (count, 77) of a person who speaks, 25 pictures a second, as the page lays them out."""
    track = make_track(count, **changes)
    return np.column_stack(
        [
            track.change,
            track.light,
            track.contrast,
            track.eye_distance,
            track.place,
            np.tile(np.eye(3).ravel(), (count, 1)),
            track.features,
            track.scores,
        ]
    ).astype(np.float32)


def face_block(numbers: np.ndarray, time: float) -> bytes:
    """The message of one picture taken at ``time`` s."""
    return struct.pack('<BBHId', 4, 0, len(numbers), 0, 1e3 * time) + numbers.astype('<f4').tobytes()
