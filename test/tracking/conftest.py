# SPDX-License-Identifier: Apache-2.0
"""The real tracker on pictures of our own head, where mediapipe and its network are installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from face_videos import speaking_motion, write_video

from diffposetalk_ros.errors import ModelError
from diffposetalk_ros.tracking.model_file import find_face_model


@pytest.fixture(scope='session')
def face_model() -> Path:
    pytest.importorskip('mediapipe', reason='mediapipe is not installed: pip install ".[track]"')
    try:
        return find_face_model()
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope='session')
def head_motion() -> np.ndarray:
    """Known motion (250, 55) at 25 fps of the head in `head_video`."""
    return speaking_motion(250)


@pytest.fixture(scope='session')
def head_video(face_model: Path, head_motion: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds of our head."""
    from diffposetalk_ros.viewer.render import render_frames

    path = tmp_path_factory.mktemp('head') / 'head.mp4'
    write_video(path, render_frames(head_motion, (400, 320)), np.arange(len(head_motion)) / 25)
    return path
