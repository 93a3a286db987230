# SPDX-License-Identifier: Apache-2.0
"""Random pairs of neighbouring windows from the official data, normalised (docs/method.md, 1.3, 8.2, 8.3)."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.normalisation import TRAINING_EPSILON, normalise_motion
from diffposetalk_ros.training.data.lmdb_clips import LmdbClips

__all__ = ['FlameStats', 'PairBatch', 'PairSource']

_STYLE_RUN = 2.1
"""Length in windows of the run from which a style pair is cut. Its halves do not touch."""
_READERS = 4


@dataclass(frozen=True)
class FlameStats:
    """Statistics of a data set with which its motion and identities are normalised.

    ``arrays`` holds {shape,exp,pose}_{mean,std} with 100, 50 and 6 numbers (docs/method.md, 1.3).
    """

    arrays: Mapping[str, NDArray[np.floating]]
    head_pose: bool

    def motion(self, coefficients: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Normalised motion (F, D) of raw ``exp`` (F, 50) and ``pose`` (F, 6, radians).

        Jaw y and z are left out, because their deviation may be 0.
        """
        pose = slice(0, 4) if self.head_pose else slice(3, 4)
        raw = np.concatenate([coefficients['exp'], coefficients['pose'][:, pose]], axis=1)
        mean, std = (
            np.concatenate([self.arrays[f'exp_{part}'], self.arrays[f'pose_{part}'][pose]])
            for part in ('mean', 'std')
        )
        return normalise_motion(raw, mean, std, TRAINING_EPSILON)

    def shape(self, coefficients: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Normalised identity (100,) of the first of the raw ``shape`` rows (F, 100)."""
        arrays = self.arrays
        return normalise_motion(
            coefficients['shape'][0], arrays['shape_mean'], arrays['shape_std'], TRAINING_EPSILON
        )


@dataclass(frozen=True)
class PairBatch:
    """Audio (N, 2 L 640) in [-1, 1], normalised motion (N, 2 L, D) and normalised shape (N, 100)."""

    audio: Tensor
    motion: Tensor
    shape: Tensor


class PairSource:
    """Draws random batches. The same seed and number give the same batch.

    An epoch visits every clip (every person, for styles) once in random order. Raises ConfigError if a
    clip is too short or there are fewer clips than a batch needs.
    """

    def __init__(
        self, clips: LmdbClips, names: list[str], stats: FlameStats, seed: int, window: int = 100
    ) -> None:
        self._clips, self._stats, self._seed, self._window = clips, stats, seed, window
        self._lengths = {name: clips.frames(name) for name in names}
        self._names = sorted(names)
        self._persons: dict[str, list[str]] = {}
        for name in self._names:
            self._persons.setdefault(name.rpartition('/')[0], []).append(name)
        self._pool = ThreadPoolExecutor(_READERS)

    @property
    def persons(self) -> int:
        """Number of people."""
        return len(self._persons)

    def pairs(self, number: int, size: int) -> PairBatch:
        """Batch of the denoiser: two adjacent windows of one clip per item."""
        frames = 2 * self._window
        chosen = self._choose(self._names, number, size)
        rng = np.random.default_rng((self._seed, number, 1))
        starts = [self._start(name, frames, rng) for name in chosen]
        read = list(self._pool.map(self._clips.read, chosen, starts, [frames] * size))
        return PairBatch(
            torch.from_numpy(np.stack([audio for audio, _ in read])),
            torch.from_numpy(np.stack([self._stats.motion(coef) for _, coef in read])),
            torch.from_numpy(np.stack([self._stats.shape(coef) for _, coef in read])),
        )

    def style_pairs(self, number: int, size: int) -> tuple[Tensor, Tensor]:
        """Batch of the style encoder: two windows (N, L, D) each, of N different people."""
        frames = int(self._window * _STYLE_RUN)
        people = self._choose(sorted(self._persons), number, size)
        rng = np.random.default_rng((self._seed, number, 2))
        clips = [self._persons[p][int(rng.integers(len(self._persons[p])))] for p in people]
        starts = [self._start(name, frames, rng) for name in clips]

        def read(name: str, start: int) -> NDArray[np.float32]:
            return self._stats.motion(self._clips.read(name, start, frames, audio=False)[1])

        motion = torch.from_numpy(np.stack(list(self._pool.map(read, clips, starts))))
        return motion[:, : self._window], motion[:, -self._window :]

    def _choose(self, names: list[str], number: int, size: int) -> list[str]:
        if len(names) < size:
            raise ConfigError(f'the split has {len(names)} entries, a batch needs {size}; lower --batch')
        epoch, place = divmod(number, len(names) // size)
        order = np.random.default_rng((self._seed, epoch)).permutation(len(names))
        return [names[i] for i in order[place * size : (place + 1) * size]]

    def _start(self, name: str, frames: int, rng: np.random.Generator) -> int:
        length = self._lengths[name]
        if length < frames:
            raise ConfigError(
                f'{name} has {length} frames; training needs {frames}; remove it from the split file'
            )
        return int(rng.integers(0, length - frames + 1))
