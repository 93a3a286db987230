# SPDX-License-Identifier: Apache-2.0
"""The official training data: an LMDB of talking-head clips with FLAME coefficients (docs/method.md, 8.1)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import ConfigError, DiffPoseTalkError
from diffposetalk_ros.util.numpy_pickle import ForeignPickleError, load_numbers

__all__ = ['LmdbClips', 'LmdbError', 'read_split']

Floats = NDArray[np.float32]

SAMPLES_PER_FRAME = 640
_WIDTHS = {'shape': 100, 'exp': 50, 'pose': 6}


class LmdbError(DiffPoseTalkError):
    """Training data that is missing, damaged or of another layout."""


def read_split(path: Path) -> list[str]:
    """Clips '<person>/<video>' of a split file, one a line. Raises ConfigError."""
    try:
        lines = [line.strip() for line in path.read_text(encoding='utf-8').splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f'cannot read the split {path} ({error}); it lists one clip a line') from error
    names = [line for line in lines if line]
    if not names:
        raise ConfigError(f'the split {path} is empty; it lists one clip a line')
    return names


@lru_cache(maxsize=8)
def _open(folder: Path) -> Any:
    """Shared environment, because a process may open an LMDB only once."""
    try:
        import lmdb
    except ImportError as error:
        raise LmdbError('reading the official data needs lmdb; pip install lmdb') from error
    if not (folder / 'data.mdb').is_file():
        raise LmdbError(f'{folder} is not an LMDB folder: it holds no data.mdb')
    try:
        return lmdb.open(
            str(folder), readonly=True, lock=False, readahead=False, meminit=False, max_readers=126
        )
    except lmdb.Error as error:
        raise LmdbError(f'{folder} cannot be opened as LMDB ({error}); copy it again') from error


class LmdbClips:
    """Read-only view of a data set; nothing pickled in it is executed.

    Raises LmdbError for a folder that is not such a data set. Safe to read from several threads.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._env = _open(folder.resolve())
        self._segment = self._whole('metadata', 'seg_len')

    def frames(self, clip: str) -> int:
        """Length of a clip in frames. Raises LmdbError for an unknown clip."""
        return self._whole(f'{clip}/metadata', 'n_frames')

    def read(self, clip: str, start: int, count: int, audio: bool = True) -> tuple[Floats, dict[str, Floats]]:
        """Samples (640 count,) at 16 kHz in [-1, 1] and raw coefficients of frames [start, start + count).

        Without ``audio`` the samples are empty and nothing is decoded. Raises LmdbError where the
        clip is shorter or damaged.
        """
        sounds: list[Floats] = []
        parts: dict[str, list[Floats]] = {name: [] for name in _WIDTHS}
        first, last = start // self._segment, (start + count - 1) // self._segment
        for number in range(first, last + 1):
            key = f'{clip}/{number:03d}'
            value = self._value(key)
            coefficients = value.get('coef')
            if not isinstance(coefficients, Mapping):
                raise LmdbError(f'{self._folder}: {key} has no coefficients')
            for name, width in _WIDTHS.items():
                array = np.asarray(coefficients.get(name, ()), np.float32)
                if array.ndim != 2 or array.shape[1] != width:
                    raise LmdbError(f'{self._folder}: {key} has {name} of shape {array.shape}')
                parts[name].append(array)
            if audio:
                sounds.append(self._decode(key, value.get('audio'), len(parts['exp'][-1])))
        offset = start - first * self._segment
        joined = {name: np.concatenate(arrays)[offset : offset + count] for name, arrays in parts.items()}
        if any(len(array) != count for array in joined.values()):
            raise LmdbError(f'{self._folder}: {clip} is shorter than {start + count} frames')
        if not audio:
            return np.zeros(0, np.float32), joined
        sound = np.concatenate(sounds)[offset * SAMPLES_PER_FRAME :][: count * SAMPLES_PER_FRAME]
        return sound, joined

    def _decode(self, key: str, data: Any, frames: int) -> Floats:
        import soundfile

        try:
            samples, rate = soundfile.read(io.BytesIO(data), dtype='float32')
        except (soundfile.LibsndfileError, TypeError, RuntimeError) as error:
            raise LmdbError(f'{self._folder}: the audio of {key} cannot be decoded ({error})') from error
        if rate != 16000 or samples.ndim != 1 or len(samples) < frames * SAMPLES_PER_FRAME:
            raise LmdbError(
                f'{self._folder}: the audio of {key} has {len(samples)} samples at {rate} Hz; '
                f'{frames} frames need {frames * SAMPLES_PER_FRAME}, mono at 16000'
            )
        return np.asarray(samples[: frames * SAMPLES_PER_FRAME], np.float32)

    def _whole(self, key: str, field: str) -> int:
        number = self._value(key).get(field)
        if not isinstance(number, int | np.integer) or number < 1:
            raise LmdbError(f'{self._folder}: {key} holds no {field}')
        return int(number)

    def _value(self, key: str) -> dict[str, Any]:
        with self._env.begin(buffers=False) as transaction:
            data = transaction.get(key.encode())
        if data is None:
            raise LmdbError(f'{self._folder} has no entry {key}; is the split of another data set?')
        try:
            value = load_numbers(data)
        except ForeignPickleError as error:
            raise LmdbError(f'{self._folder}: entry {key}: {error}') from error
        if not isinstance(value, dict):
            raise LmdbError(f'{self._folder}: entry {key} is not a dictionary')
        return value
