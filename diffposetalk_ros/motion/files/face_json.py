# SPDX-License-Identifier: Apache-2.0
"""Face animation of other programs as JSON: NVIDIA Audio2Face, LAM Audio2Expression, MediaPipe's scores by frame."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.files.face_table import FaceTable
from diffposetalk_ros.motion.files.timecode import TIME_NAMES, plain_name, seconds_of
from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES
from diffposetalk_ros.motion.motion_clip import MotionClip, check_arkit

__all__ = ['encode_audio2face', 'face_from_json', 'rows_of']

# Names as `plain_name` gives them.
_FPS = ('fps', 'exportfps', 'framerate')
_WEIGHTS = ('weights', 'blendshapes', 'faceblendshapes', 'categories', 'values')


def face_from_json(content: Any, fps: float | None) -> MotionClip:
    """Parsed JSON of another program -> clip; ``fps`` overrides rate and times. Raises MotionError for other JSON.

    It reads ``facsNames`` with ``weightMat`` (Audio2Face), ``frames`` whose weights follow ``names`` (LAM), and a
    list of frames with a mapping of names to numbers, or a list of categoryName and score (MediaPipe).
    """
    head: Mapping[str, Any] = content if isinstance(content, Mapping) else {}
    inner = head.get('metadata')
    meta: Mapping[str, Any] = inner if isinstance(inner, Mapping) else {}
    rates = [_first(place, _FPS) for place in (head, meta)]
    told = next((float(value) for value in rates if value is not None), None)
    rate = told if fps is None else fps
    if 'weightMat' in head and 'facsNames' in head:
        names = [str(name) for name in head['facsNames']]
        return FaceTable(names, rows_of(head['weightMat'], names, gaps=True), None, rate).clip()
    frames = content if isinstance(content, list) else head.get('frames')
    if not isinstance(frames, list):
        raise MotionError(
            'this JSON is not a known motion format; use an object with space, fps, channels and values, or that of '
            'Audio2Face, LAM or MediaPipe'
        )
    given = head.get('names') or meta.get('blendshape_names') or meta.get('names')
    table = _by_frame(frames, [str(name) for name in given] if given else None)
    table.fps = rate
    if fps is None:
        _set_times(table, frames)
    return table.clip()


def rows_of(
    rows: Any, names: Sequence[str], gaps: bool = False
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Parsed JSON -> one row of numbers per frame (n, C), in the order of ``names``.

    ``gaps``: an empty frame has no face and becomes NaN. Raises MotionError that names the frame for anything else.
    """
    if not isinstance(rows, list):
        raise MotionError(f'{json.dumps(rows)[:40]} instead of a list of frames')
    out = np.full((len(rows), len(names)), np.nan)
    for number, row in enumerate(rows):
        if gaps and not row:
            continue
        if not isinstance(row, list):
            raise MotionError(f'frame {number} is {json.dumps(row)[:40]} instead of a list of numbers')
        if len(row) != len(names):
            raise MotionError(f'frame {number} has {len(row)} numbers, but there are {len(names)} names')
        for name, value in zip(names, row, strict=True):
            if not isinstance(value, (int, float)):
                raise MotionError(f'frame {number}, {name}: {json.dumps(value)[:40]} is not a number')
        out[number] = row
    return out


def _first(place: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Value of the first of these names in ``place``, however it is spelled there; None where there is none."""
    found = {plain_name(str(key)): value for key, value in place.items()}
    return next((found[name] for name in names if name in found), None)


def _by_frame(frames: list[Any], names: list[str] | None) -> FaceTable:
    found = [_weights_of(frame, number) for number, frame in enumerate(frames)]
    if all(not isinstance(weights, Mapping) for weights in found):
        if names is None:
            raise MotionError('the frames hold weights without names; add a list "names"')
        return FaceTable(names, rows_of(found, names, gaps=True))
    by_name = [weights if isinstance(weights, Mapping) else {} for weights in found]
    names = list(dict.fromkeys(name for weights in by_name for name in weights))
    values = np.full((len(frames), len(names)), np.nan)
    for row, weights in zip(values, by_name, strict=True):
        if weights:
            row[:] = [float(weights.get(name, 0.0)) for name in names]
    return FaceTable(names, values)


def _weights_of(frame: Any, number: int) -> Any:
    """A mapping of names to numbers, or a list of numbers; empty for a frame without a face."""
    if frame is None:
        return {}
    if isinstance(frame, Mapping):
        inner = _first(frame, _WEIGHTS)
        if inner is None:  # the names are beside the time
            inner = {
                k: v
                for k, v in frame.items()
                if plain_name(k) not in TIME_NAMES and isinstance(v, (int, float))
            }
        return {} if inner is None or len(inner) == 0 else _weights_of_list(inner, number)
    return _weights_of_list(frame, number)


def _weights_of_list(inner: Any, number: int) -> Any:
    if isinstance(inner, Mapping):
        return _weights_of(inner, number) if 'categories' in inner else inner
    if not isinstance(inner, list):
        raise MotionError(f'frame {number} holds a {type(inner).__name__} instead of weights')
    if inner and isinstance(inner[0], Mapping):
        if 'categories' in inner[0]:  # MediaPipe's result: a list of faces, of which the first is used
            return _weights_of_list(inner[0]['categories'], number)
        return {
            str(entry.get('categoryName') or entry.get('category_name') or entry.get('name')): float(
                entry['score'] if 'score' in entry else entry['value']
            )
            for entry in inner
        }
    if inner and isinstance(inner[0], list):
        return _weights_of_list(inner[0], number)
    return inner


def _set_times(table: FaceTable, frames: list[Any]) -> None:
    plain = [
        {plain_name(str(key)): value for key, value in frame.items()} if isinstance(frame, Mapping) else {}
        for frame in frames
    ]
    for name, unit in TIME_NAMES.items():
        times = [frame.get(name) for frame in plain]
        if times and None not in times and table.times is None:
            table.times = seconds_of([str(time) for time in times], unit)


def encode_audio2face(clip: MotionClip) -> bytes:
    """JSON as Audio2Face exports it: ``exportFps``, ``facsNames`` and ``weightMat``. It cannot store the head.

    Raises MotionError for FLAME motion.
    """
    check_arkit(clip)
    rows = [[round(float(x), 7) for x in row] for row in clip.values[:, : len(ARKIT_BLENDSHAPES)]]
    content = {
        'exportFps': clip.fps,
        'trackPath': '',
        'numPoses': len(ARKIT_BLENDSHAPES),
        'numFrames': len(rows),
        'facsNames': list(ARKIT_BLENDSHAPES),
        'weightMat': rows,
    }
    return json.dumps(content).encode() + b'\n'
