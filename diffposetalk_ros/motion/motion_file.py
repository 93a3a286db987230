# SPDX-License-Identifier: Apache-2.0
"""Motion clips and their files: .npz, .csv (Live Link Face columns), .json, and FLAME .npz.

FLAME files hold ``exp`` (F, 50), ``pose`` (F, 6) and optionally ``shape`` (F, 100), as SPEC 6.2.
"""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.model.layout import MotionLayout, layout_for

__all__ = ['MotionClip', 'load_motion', 'save_motion', 'write_atomically']

Floats = NDArray[np.float32]
Function = TypeVar('Function', bound=Callable[..., Any])

_FLAME_FPS = 25.0
# Columns Live Link Face adds: the eye angles repeat eyeLook*, the head angles have other axes.
_LIVE_LINK_EXTRA = {
    f'{part}{angle}'.lower()
    for part in ('Head', 'LeftEye', 'RightEye')
    for angle in ('Yaw', 'Pitch', 'Roll')
}


@dataclass(frozen=True, eq=False)
class MotionClip:
    """Motion of one clip: ``values`` (T, D) float32 de-normalised, in the columns of ``layout``.

    ``fps`` in frames per second; ``meta`` is free JSON-able information (``shape``: the 100 FLAME
    identity coefficients where known). Raises MotionError for a wrong shape, zero frames, NaN or a
    frame rate out of 1..1000.
    """

    values: Floats
    fps: float
    layout: MotionLayout
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float32)
        if values.ndim != 2 or values.shape[1] != self.layout.width:
            raise MotionError(
                f'motion of shape {values.shape} is not (frames, {self.layout.width}), '
                f'the width of the {self.layout.space} layout; check the space of the motion'
            )
        if len(values) == 0:
            raise MotionError('motion has 0 frames; give at least one frame')
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            frame, column = (int(i) for i in bad[0])
            raise MotionError(
                f'frame {frame}, channel {self.layout.names[column]} is {values[frame, column]}; '
                f'all values must be finite ({len(bad)} are not)'
            )
        if not 1.0 <= float(self.fps) <= 1000.0:
            raise MotionError(f'frame rate {self.fps} is out of range; use 1 to 1000 frames per second')
        values.flags.writeable = False
        object.__setattr__(self, 'values', values)
        object.__setattr__(self, 'fps', float(self.fps))
        object.__setattr__(self, 'meta', dict(self.meta))

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.values) / self.fps


def load_motion(path: str | Path, fps: float | None = None) -> MotionClip:
    """Read a motion file; the suffix (.npz, .csv, .json) names the format.

    ``fps`` overrides the rate written in the file (needed for a CSV that tells none). Columns may
    stand in any order. Raises MotionError for a missing or unreadable file, missing, extra or
    doubled columns, a wrong space, NaN or zero frames.
    """
    path = Path(path)
    reader = _by_suffix(path, {'.npz': _read_npz, '.csv': _read_csv, '.json': _read_json})
    try:
        return reader(path, fps)
    except MotionError as error:
        raise MotionError(f'{path}: {error}') from None
    except FileNotFoundError:
        raise MotionError(f'{path}: no such file; check the path') from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, csv.Error, zipfile.BadZipFile) as error:
        reason = ' '.join(str(error).split())[:160]
        raise MotionError(f'{path}: not a readable {path.suffix} motion file ({reason})') from None


def save_motion(path: str | Path, clip: MotionClip) -> None:
    """Write a clip as .npz, .csv or .json; the file appears whole or not at all.

    Weights keep their float32 value in every format. FLAME clips become SPEC 6.2 files in .npz.
    CSV keeps no ``meta``. Raises MotionError when the file cannot be written.
    """
    path = Path(path)
    encoder = _by_suffix(path, {'.npz': _encode_npz, '.csv': _encode_csv, '.json': _encode_json})
    try:
        data = encoder(clip)
    except TypeError as error:
        raise MotionError(f'{path}: meta cannot be written as JSON ({error})') from None
    write_atomically(path, data)


def write_atomically(path: Path, data: bytes) -> None:
    """Write bytes to a file that appears whole or not at all. Raises MotionError when it cannot."""
    part = path.with_name(f'.{path.name}.{os.getpid()}.part')
    try:
        with part.open('wb') as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise MotionError(
            f'{path}: cannot be written ({error.strerror}); check folder and rights'
        ) from None


def _by_suffix(path: Path, table: dict[str, Function]) -> Function:
    try:
        return table[path.suffix.lower()]
    except KeyError:
        raise MotionError(
            f'{path}: suffix {path.suffix!r} is not a motion format; use {", ".join(table)}'
        ) from None


def _layout_of(space: object, names: Sequence[str]) -> MotionLayout:
    """Layout of a space with or without head, whichever has the width of the named columns."""
    if space not in ('arkit', 'flame'):
        raise MotionError(f"motion space {space!r} is unknown; it must be 'arkit' or 'flame'")
    with_head, without = layout_for(str(space), True), layout_for(str(space), False)
    lower = {name.lower() for name in names}
    has_head = any(name.lower() in lower for name in set(with_head.names) - set(without.names))
    return with_head if has_head else without


def _arrange(values: Floats, names: Sequence[str], layout: MotionLayout) -> Floats:
    """Columns of ``values`` in layout order. Names are compared without case."""
    lower = [name.strip().lower() for name in names]
    doubled = [name for name in lower if lower.count(name) > 1]
    if doubled:
        raise MotionError(f'column {doubled[0]} occurs more than once; keep one')
    place = {name: column for column, name in enumerate(lower)}
    missing = [name for name in layout.names if name.lower() not in place]
    if missing:
        raise MotionError(f'{len(missing)} {layout.space} columns are missing: {_some(missing)}')
    known = {name.lower() for name in layout.names}
    extra = [name for name in names if name.strip().lower() not in known]
    if extra:
        raise MotionError(f'columns not of the {layout.space} space: {_some(extra)}; remove them')
    if values.ndim != 2 or values.shape[1] != len(names):
        raise MotionError(f'values of shape {values.shape} do not fit {len(names)} channel names')
    return values[:, [place[name.lower()] for name in layout.names]]


def _some(names: Sequence[str]) -> str:
    return ', '.join(names[:4]) + (', ...' if len(names) > 4 else '')


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
    layout = _layout_of(str(content['space']), names)
    rate = float(content['fps']) if fps is None else fps
    return MotionClip(_arrange(content['values'], names, layout), rate, layout, meta)


def _from_flame(
    content: Mapping[str, NDArray[Any]], fps: float | None, meta: dict[str, Any]
) -> MotionClip:
    if 'pose' not in content:
        raise MotionError('key pose is missing beside exp; a FLAME file needs both')
    arrays = {key: content[key] for key in ('exp', 'pose', 'shape') if key in content}
    for key, array in arrays.items():
        if array.ndim == 3 and len(array) == 1:  # one repetition, as the original code returns it
            arrays[key] = array = array[0]
        width = {'exp': 50, 'pose': 6, 'shape': 100}[key]
        if array.shape[-1:] != (width,) or array.ndim != 2 and key != 'shape':
            raise MotionError(f'{key} of shape {array.shape} is not (frames, {width})')
    exp, pose = arrays['exp'], arrays['pose']
    if len(exp) != len(pose):
        raise MotionError(f'exp has {len(exp)} frames and pose {len(pose)}; they must be equal')
    if 'shape' in arrays and arrays['shape'].size:
        meta['shape'] = [float(x) for x in arrays['shape'].reshape(-1, 100)[0]]
    names = [str(name) for name in content.get('channels', np.array(['headRotationX']))]
    layout = _layout_of('flame', names)
    values = np.concatenate([exp, pose[:, 4 - (layout.width - 50) : 4]], axis=1)
    rate = float(content.get('fps', _FLAME_FPS)) if fps is None else fps
    return MotionClip(values, rate, layout, meta)


def _encode_npz(clip: MotionClip) -> bytes:
    meta = dict(clip.meta)
    content: dict[str, NDArray[Any]] = {
        'fps': np.array(clip.fps),
        'space': np.array(clip.layout.space),
        'channels': np.array(clip.layout.names),
    }
    if clip.layout.space == 'flame':
        pose = np.zeros((len(clip.values), 6), np.float32)
        pose[:, 4 - (clip.layout.width - 50) : 4] = clip.values[:, 50:]
        content |= {'exp': clip.values[:, :50], 'pose': pose}
        shape = meta.pop('shape', None)
        if shape is not None:
            content['shape'] = np.tile(np.asarray(shape, np.float32), (len(pose), 1))
    else:
        content['values'] = clip.values
    if meta:
        content['meta'] = np.array(json.dumps(meta))
    stream = io.BytesIO()
    np.savez_compressed(stream, **content)  # type: ignore[arg-type]
    return stream.getvalue()


def _read_json(path: Path, fps: float | None) -> MotionClip:
    content = json.loads(path.read_text(encoding='utf-8'))
    missing = [key for key in ('values', 'fps', 'space', 'channels') if key not in content]
    if missing:
        raise MotionError(f'keys missing: {", ".join(missing)}')
    names = [str(name) for name in content['channels']]
    layout = _layout_of(content['space'], names)
    values = np.array(content['values'] or np.zeros((0, len(names))), np.float32)
    rate = float(content['fps']) if fps is None else fps
    return MotionClip(_arrange(values, names, layout), rate, layout, content.get('meta', {}))


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


def _read_csv(path: Path, fps: float | None) -> MotionClip:
    with path.open(newline='', encoding='utf-8-sig') as stream:
        rows = [row for row in csv.reader(stream) if row]
    if not rows:
        raise MotionError('the file is empty; the first line must name the columns')
    names = [name.strip() for name in rows[0]]
    lower = [name.lower() for name in names]
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            raise MotionError(f'line {number} has {len(row)} cells, the header {len(names)}')
    if len(rows) == 1:
        raise MotionError('motion has 0 frames; give at least one frame')
    ignored = [name for name in names if name.lower() in _LIVE_LINK_EXTRA]
    aside = {'timecode', 'frame', 'blendshapecount', 'fps'} | {name.lower() for name in ignored}
    columns = [i for i, name in enumerate(lower) if name not in aside]
    kept = [names[i] for i in columns]
    layout = _layout_of('flame' if 'exp00' in lower else 'arkit', kept)
    values = np.array([[row[i] for i in columns] for row in rows[1:]]).astype(np.float32)
    if fps is None:
        if 'fps' in lower:
            fps = float(rows[1][lower.index('fps')])
        else:
            fps = _rate(
                [row[lower.index('timecode')] for row in rows[1:]] if 'timecode' in lower else []
            )
    meta = {'ignored_columns': ignored} if ignored else {}
    return MotionClip(_arrange(values, kept, layout), fps, layout, meta)


def _rate(timecodes: Sequence[str]) -> float:
    """Frame rate of hh:mm:ss:ff(.fff) codes: the frame counter's modulus, seen when a second is full."""
    parts = [code.split(':') for code in timecodes]
    if all(len(part) == 4 for part in parts) and len({tuple(part[:3]) for part in parts}) > 1:
        return float(int(max(float(part[3]) for part in parts)) + 1)
    raise MotionError('the file tells no frame rate (no fps column, Timecode too short); pass fps')


def _encode_csv(clip: MotionClip) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator='\n')
    count = 50 if clip.layout.space == 'flame' else 52
    writer.writerow(['Timecode', 'BlendshapeCount', *clip.layout.names, 'fps'])
    base = max(1, round(clip.fps))
    for frame, row in enumerate(clip.values):
        second, rest = divmod(frame, base)
        code = f'{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}:{rest:02d}.000'
        writer.writerow([code, count, *(f'{x:.9g}' for x in row), repr(clip.fps)])
    return stream.getvalue().encode()
