# SPDX-License-Identifier: Apache-2.0
"""Motion clips and their files: .npz, .csv (a column for each channel), .json, and FLAME .npz.

FLAME files hold ``exp`` (F, 50), ``pose`` (F, 6) and optionally ``shape`` (F, 100), as docs/method.md, 6.2.
``meta['jaw_rest']`` holds the jaw's angles about y and z, which are not motion columns.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import MotionError, reason_of
from diffposetalk_ros.motion.files.face_json import face_from_json, rows_of
from diffposetalk_ros.motion.files.motion_csv import encode_csv, read_csv
from diffposetalk_ros.motion.flame.flame_arrays import FLAME_FPS, flame_arrays, flame_clip
from diffposetalk_ros.motion.motion_clip import MotionClip, arrange, check_face, check_rate, layout_of
from diffposetalk_ros.util.output_file import write_atomically

__all__ = ['load_face', 'load_motion', 'save_motion']

Floats = NDArray[np.float32]
Function = TypeVar('Function', bound=Callable[..., Any])

# Errors that numpy, zipfile, json and csv raise on bytes of other formats.
_UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    EOFError,
    MemoryError,  # a header that promises far more values than the file holds
    RuntimeError,  # endless nesting, encrypted archives, unknown compression
    csv.Error,
    zipfile.BadZipFile,
    zlib.error,
)


def load_motion(path: str | Path, fps: float | None = None) -> MotionClip:
    """Read a motion file; the suffix (.npz, .csv, .json) names the format.

    ``fps`` overrides the rate written in the file (needed for a CSV that states none). Columns may
    stand in any order. Raises MotionError for a missing or unreadable file, missing, extra or
    doubled columns, a wrong space, NaN or zero frames.
    """
    path = Path(path)
    reader = _by_suffix(path, {'.npz': _read_npz, '.csv': read_csv, '.json': _read_json})
    try:
        if fps is not None:
            check_rate(fps)
        return reader(path, fps)
    except MotionError as error:
        raise MotionError(f'{path}: {error}') from None
    except FileNotFoundError:
        left = [file.name for file in path.parent.glob(f'{path.stem}.part*.csv')] if path.stem else []
        hint = f'a recorder that was stopped has left {", ".join(left)}' if left else 'check the path'
        raise MotionError(f'{path}: no such file; {hint}') from None
    except _UNREADABLE as error:
        raise MotionError(f'{path}: not a readable {path.suffix} motion file ({reason_of(error)})') from None


def load_face(path: str | Path, fps: float | None = None) -> MotionClip:
    """`load_motion` for motion to be shown or encoded: also refuses values that no face has."""
    clip = load_motion(path, fps)
    try:
        check_face(clip)
    except MotionError as error:
        raise MotionError(f'{path}: {error}') from None
    return clip


def save_motion(path: str | Path, clip: MotionClip) -> None:
    """Write a clip as .npz, .csv or .json; the file appears whole or not at all.

    Weights keep their float32 value in every format. FLAME clips become docs/method.md, 6.2 files in .npz.
    CSV keeps no ``meta``. Raises MotionError when the file cannot be written.
    """
    path = Path(path)
    encoder = _by_suffix(path, {'.npz': _encode_npz, '.csv': encode_csv, '.json': _encode_json})
    try:
        data = encoder(clip)
    except TypeError as error:
        raise MotionError(f'{path}: meta cannot be written as JSON ({error})') from None
    write_atomically(path, data)


def _by_suffix(path: Path, table: dict[str, Function]) -> Function:
    try:
        return table[path.suffix.lower()]
    except KeyError:
        raise MotionError(
            f'{path}: suffix {path.suffix!r} is not a motion format; use {", ".join(table)}'
        ) from None


def _read_npz(path: Path, fps: float | None) -> MotionClip:
    with np.load(path, allow_pickle=False) as file:
        content = {name: file[name] for name in file.files}
    meta = json.loads(str(content['meta'])) if 'meta' in content else {}
    if 'values' not in content and 'exp' in content:
        return _from_flame(content, fps, meta)
    missing = [key for key in ('values', 'fps', 'space', 'channels') if key not in content]
    if missing:
        raise MotionError(f'keys missing: {", ".join(missing)} (or exp and pose for FLAME)')
    names = [str(name) for name in content['channels']]
    layout = layout_of(str(content['space']), names)
    rate = float(content['fps']) if fps is None else fps
    return MotionClip(arrange(content['values'], names, layout), rate, layout, meta)


def _from_flame(content: Mapping[str, NDArray[Any]], fps: float | None, meta: dict[str, Any]) -> MotionClip:
    if 'pose' not in content:
        raise MotionError('key pose is missing beside exp; a FLAME file needs both')
    names = [str(name) for name in content.get('channels', np.array(['headRotationX']))]
    head = layout_of('flame', names).head_rotation is not None
    rate = float(content.get('fps', FLAME_FPS)) if fps is None else fps
    return flame_clip(content['exp'], content['pose'], content.get('shape'), rate, head, meta)


def _encode_npz(clip: MotionClip) -> bytes:
    meta = dict(clip.meta)
    content: dict[str, NDArray[Any]] = {
        'fps': np.array(clip.fps),
        'space': np.array(clip.layout.space),
        'channels': np.array(clip.layout.names),
    }
    if clip.layout.space == 'flame':
        exp, pose, shape = flame_arrays(clip)
        content |= {'exp': exp, 'pose': pose}
        for key in ('jaw_rest', 'shape'):
            meta.pop(key, None)
        if shape is not None:
            content['shape'] = np.tile(shape, (len(pose), 1))
    else:
        content['values'] = clip.values
    if meta:
        content['meta'] = np.array(json.dumps(meta))
    stream = io.BytesIO()
    np.savez_compressed(stream, **content)  # type: ignore[arg-type]
    return stream.getvalue()


def _read_json(path: Path, fps: float | None) -> MotionClip:
    content = json.loads(path.read_bytes())  # UTF-8 or UTF-16, with a byte order mark or without
    if not isinstance(content, dict) or not {'space', 'channels', 'values'} & content.keys():
        return face_from_json(content, fps)
    missing = [key for key in ('values', 'fps', 'space', 'channels') if key not in content]
    if missing:
        raise MotionError(f'keys missing: {", ".join(missing)}')
    if not isinstance(content['channels'], list):
        raise MotionError('"channels" is no list of names')
    names = [str(name) for name in content['channels']]
    layout = layout_of(content['space'], names)
    values: NDArray[Any] = rows_of(content['values'], names)
    rate = float(content['fps']) if fps is None else fps
    return MotionClip(arrange(values, names, layout), rate, layout, content.get('meta', {}))


def _encode_json(clip: MotionClip) -> bytes:
    rows = ',\n'.join('[' + ','.join(f'{x:.9g}' for x in row) + ']' for row in clip.values)
    head = json.dumps(
        {
            'space': clip.layout.space,
            'fps': clip.fps,
            'meta': dict(clip.meta),
            'channels': clip.layout.names,
        }
    )
    return f'{head[:-1]}, "values": [\n{rows}\n]}}\n'.encode()
