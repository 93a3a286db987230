# SPDX-License-Identifier: Apache-2.0
"""MediaPipe's Face Landmarker on the CPU: one picture in, ARKit scores, distances and head rotation out.

Versions of mediapipe from 0.10.35 on report their use to Google over the network, which cannot be disabled, so
they are refused. The accepted versions contain no networking code (a test checks this with the linker).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import VideoError, reason_of
from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES
from diffposetalk_ros.tracking.face_track import FaceReading
from diffposetalk_ros.tracking.landmarks import face_features, frontal, nearest_rotation
from diffposetalk_ros.tracking.model_file import find_face_model
from diffposetalk_ros.util.extras import install_command

__all__ = ['FaceTracker', 'QUIET_VERSIONS']

Image = NDArray[np.uint8]

QUIET_VERSIONS = ('0.10.30', '0.10.31', '0.10.32', '0.10.33')
"""Versions of mediapipe with the API used here that open no connection."""

_MAX_FACES = 3


class FaceTracker:
    """Tracks one face through the pictures of one video, and counts faces from time to time.

    When it looks for one face, the library smooths its landmarks by about half a picture, which leaves a
    quarter of the noise. It then reports no second face, so `FaceReading.faces` comes from a separate detection,
    every ``COUNT_EVERY`` seconds.

    ``model``: the bundle, see `find_face_model`. Raises VideoError where mediapipe is missing or of a
    version that reports to its maker, ModelError where the bundle is missing.
    """

    COUNT_EVERY = 1.0

    def __init__(self, model: str | Path | None = None) -> None:
        path = find_face_model(model)
        self._library = _mediapipe()
        self._thumbnail: NDArray[np.float64] | None = None
        with _library_lines_hidden():
            self._landmarker = self._make(path, 'VIDEO', 1, details=True)
            self._counter = self._make(path, 'IMAGE', _MAX_FACES, details=False)
            self._last, self._counted, self._faces = -1, -float('inf'), 0
            # A graph starts with its first picture, and prints its log lines then.
            self.track(np.zeros((64, 64, 3), np.uint8), 0.0)
        self._counted, self._thumbnail = -float('inf'), None

    def track(self, image: Image, time: float) -> FaceReading:
        """The next picture (height, width, 3) RGB at ``time`` s; times may not go back."""
        stamp = max(self._last + 1, round(1e3 * time))
        self._last = stamp
        height, width = image.shape[:2]
        vision, mediapipe = self._library
        picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image))
        result = self._landmarker.detect_for_video(picture, stamp)
        change = self._change(image)
        found = result.face_landmarks and result.face_blendshapes and result.facial_transformation_matrixes
        if not 0 <= time - self._counted < self.COUNT_EVERY:
            self._counted, self._faces = time, _similar_faces(self._counter.detect(picture).face_landmarks)
        if not found:
            return FaceReading(0, change)
        points = _points(result.face_landmarks[0])
        rotation = nearest_rotation(np.asarray(result.facial_transformation_matrixes[0])[:3, :3])
        pixels = points[:, :2] * (width, height)
        light, contrast = _light(image, pixels)
        return FaceReading(
            max(1, self._faces),
            change,
            _scores(result.face_blendshapes[0]),
            face_features(frontal(points, rotation, (width, height))),
            _rotation_vector(rotation),
            float(np.linalg.norm(pixels[263] - pixels[33])),
            light,
            contrast,
            pixels,
        )

    def _change(self, image: Image) -> float:
        """Mean difference of brightness from the picture before, 0..1."""
        before, self._thumbnail = self._thumbnail, _thumbnail(image)
        return 0.0 if before is None else float(np.abs(self._thumbnail - before).mean())

    def _make(self, path: Path, mode: str, faces: int, details: bool) -> Any:
        vision, mediapipe = self._library
        base = mediapipe.tasks.BaseOptions(model_asset_path=str(path))
        return vision.FaceLandmarker.create_from_options(
            vision.FaceLandmarkerOptions(
                base_options=base,
                running_mode=getattr(vision.RunningMode, mode),
                num_faces=faces,
                output_face_blendshapes=details,
                output_facial_transformation_matrixes=details,
            )
        )

    def close(self) -> None:
        """Free the networks."""
        self._landmarker.close()
        self._counter.close()

    def __enter__(self) -> FaceTracker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _mediapipe() -> tuple[Any, Any]:
    """The modules mediapipe.tasks.vision and mediapipe."""
    try:
        from importlib.metadata import version

        import mediapipe
    except ModuleNotFoundError as error:
        raise VideoError(
            f'the face tracker needs mediapipe ({reason_of(error)}); {install_command("track")}'
        ) from error
    except OSError as error:
        raise VideoError(
            f'mediapipe cannot be loaded ({reason_of(error)}); its wheels need glibc 2.28'
        ) from error
    number = version('mediapipe')
    if number not in QUIET_VERSIONS:
        raise VideoError(
            f'mediapipe {number} is not one of the versions known to open no network connection; '
            f'{install_command("track")}, which brings one'
        )
    return mediapipe.tasks.vision, mediapipe


def _similar_faces(faces: Any) -> int:
    """How many faces are at least half as large as the largest."""
    sizes = [float(np.ptp(_points(face)[:, :2], axis=0).prod()) for face in faces or ()]
    return sum(size >= 0.25 * max(sizes) for size in sizes)


def _points(face: Any) -> NDArray[np.float64]:
    return np.array([(p.x, p.y, p.z) for p in face], np.float64)


def _scores(categories: Any) -> NDArray[np.float64]:
    """(52,) in ARKit order; the tracker knows no tongueOut."""
    by_name = {c.category_name: c.score for c in categories}
    return np.array([by_name.get(name, 0.0) for name in ARKIT_BLENDSHAPES], np.float64)


def _rotation_vector(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_matrix(matrix).as_rotvec(), np.float64)


def _thumbnail(image: Image) -> NDArray[np.float64]:
    """Brightness (24, 32), 0..1, of points spread over a picture."""
    rows, columns = (
        ((np.arange(n) + 0.5) * side / n).astype(int) for n, side in zip((24, 32), image.shape, strict=False)
    )
    return np.asarray(image[np.ix_(rows, columns)] @ np.array([0.299, 0.587, 0.114]) / 255.0)


def _light(image: Image, pixels: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and deviation of the brightness, 0..1, in the box around the landmarks."""
    height, width = image.shape[:2]
    left, top = np.clip(pixels.min(axis=0).astype(int), 0, (width - 1, height - 1))
    right, low = np.clip(pixels.max(axis=0).astype(int) + 1, (left + 1, top + 1), (width, height))
    step = max(1, (low - top) // 64)
    luma = image[top:low:step, left:right:step].astype(np.float64) @ (0.299, 0.587, 0.114) / 255.0
    return float(luma.mean()), float(luma.std())


@contextmanager
def _library_lines_hidden() -> Iterator[None]:
    """Hide the library's log lines, which it writes directly to file descriptor 2 and which cannot be disabled."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
