# SPDX-License-Identifier: Apache-2.0
"""Random training batches from a `TakeSet`: augmented audio features and motion that belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffposetalk_ros.audio.logmel import MEL_PER_FRAME, normalise
from diffposetalk_ros.training.data.augment import AugmentConfig, augment
from diffposetalk_ros.training.data.takes import MARGIN, PHONES, TakeSet

__all__ = ['Batch', 'BatchSource']


@dataclass(frozen=True)
class Batch:
    """mel (N, 4 (F + sum MARGIN), 64) normalised; motion (N, F, D) normalised; visemes (N, F, 8);
    phones (N, F, len(PHONES)): share of each frame that each phone fills."""

    mel: Tensor
    motion: Tensor
    visemes: Tensor
    phones: Tensor

    def mel_for(self, first: int, frames: int, context: tuple[int, int]) -> Tensor:
        """Mel of motion frames [first, first + frames) with an encoder's context on both sides."""
        start = (MARGIN[0] + first) * MEL_PER_FRAME
        return self.mel[:, start - context[0] : start + frames * MEL_PER_FRAME + context[1]]


class BatchSource:
    """Draws random batches. The same seed and step give the same batch."""

    def __init__(
        self, takes: TakeSet, mean: Tensor, std: Tensor, *, seed: int, augmentation: AugmentConfig | None
    ) -> None:
        self._takes = takes
        self._mean, self._std = mean, std
        self._seed = seed
        self._augmentation = augmentation

    def __len__(self) -> int:
        return len(self._takes)

    def draw(self, step: int, size: int) -> Batch:
        """Batch of a training step."""
        rng = np.random.default_rng((self._seed, step))
        return self.at(np.sort(rng.choice(len(self._takes), size, replace=False)), rng)

    def draw_motion(self, step: int, size: int) -> Tensor:
        """Normalised motion (N, F, D) without audio."""
        rng = np.random.default_rng((self._seed, step))
        index = np.sort(rng.choice(len(self._takes), size, replace=False))
        return (torch.from_numpy(self._takes.motion[index]) - self._mean) / self._std

    def at(self, index: np.ndarray, rng: np.random.Generator) -> Batch:
        """The takes of given indices."""
        power = torch.from_numpy(self._takes.mel[index].astype(np.float32)).exp()
        if self._augmentation is not None:
            generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
            power = augment(power, self._augmentation, generator)
        mel = np.stack([_normalise(clip, rng) for clip in power.numpy()])
        tracks = torch.from_numpy(self._takes.phones[index].astype(np.int64))
        shares = torch.nn.functional.one_hot(tracks, len(PHONES)).float()
        return Batch(
            torch.from_numpy(mel),
            (torch.from_numpy(self._takes.motion[index]) - self._mean) / self._std,
            torch.from_numpy(self._takes.visemes[index]),
            shares.reshape(len(index), -1, MEL_PER_FRAME, len(PHONES)).mean(2),
        )


def _normalise(power: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Causal normalisation. For most takes it starts with the state after an earlier part of the same speech, because
    most of a stream has a long past, although each stream begins without one."""
    state = None
    if rng.random() < 0.7:
        past = power[: int(rng.integers(30, len(power)))]
        _, state = normalise(past)
    return normalise(power, state)[0]
