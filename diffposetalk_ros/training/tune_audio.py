# SPDX-License-Identifier: Apache-2.0
"""Teaches the audio encoder of a finished model other languages. The denoiser is not trained.

The denoiser reads the features of the present encoder, so the new encoder must speak the same way:

- English keeps its features: the mean squared difference from those of the present encoder is a loss.
- Two readouts, of phones and of visemes, are fitted to the present features of English and then frozen. Other
  languages must give features from which they read the right sounds. A sound that English lacks counts as the
  English sound whose lips are nearest.

The result is a mean of the new weights and the present ones. The default is the new weights alone: a share of the
present ones keeps a little more of English and less of the other languages.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.loader import motion_statistics
from diffposetalk_ros.model.networks.logmel_encoder import LogMelEncoder
from diffposetalk_ros.model.store import load_model, save_model
from diffposetalk_ros.training.animator.sounds import ARPABET, PAUSE, is_vowel, target
from diffposetalk_ros.training.data.augment import AugmentConfig
from diffposetalk_ros.training.data.batches import Batch, BatchSource
from diffposetalk_ros.training.data.takes import FRAMES, PHONES, TakeSet, build_takes
from diffposetalk_ros.training.recipe import carry_over
from diffposetalk_ros.training.run import RunConfig, train
from diffposetalk_ros.training.train_audio import AudioTrainee, speech_losses

__all__ = ['Tuning', 'nearest_english', 'tune_audio']


@dataclass(frozen=True)
class Tuning:
    """Settings. ``takes`` of English and as many of all other languages, half of each batch of either.

    ``keep``: weight of the difference from the present features. ``share``: of the new weights in the result, 0 to 1.
    ``augmentation``: a little milder than in the first training.
    """

    takes: int = 3000
    readouts: RunConfig = RunConfig(steps=300, batch=16, learning_rate=1e-2, ema=0.97)
    audio: RunConfig = RunConfig(steps=22_500, batch=16, learning_rate=1e-3, ema=0.998)
    augmentation: AugmentConfig = AugmentConfig(noise=0.6, reverberation=0.35)
    keep: float = 4.0
    share: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ConfigError(f'--share {self.share}; use 0 to 1')
        if self.takes < self.readouts.batch:
            raise ConfigError(f'{self.takes} takes; one batch needs {self.readouts.batch}')


def nearest_english() -> Tensor:
    """Matrix (P, P) from `PHONES` to the sounds of English: each to itself, or to the one with the nearest lips.

    Vowels stay vowels. The distance is that of the articulatory targets.
    """
    english = sorted({sound for sounds in ARPABET.values() for sound in sounds} - {PAUSE})
    matrix = torch.zeros(len(PHONES), len(PHONES))
    for row, sound in enumerate(PHONES):
        near = sound
        if sound != PAUSE and sound not in english:
            alike = [other for other in english if is_vowel(other) == is_vowel(sound)]
            lips = np.array(target(sound))
            near = min(alike, key=lambda other: float(((np.array(target(other)) - lips) ** 2).sum()))
        matrix[row, PHONES.index(near)] = 1
    return matrix


class _Loss:
    """Losses of a batch, of which the first half is English."""

    def __init__(
        self,
        trainee: AudioTrainee,
        present: LogMelEncoder,
        english: BatchSource,
        others: BatchSource,
        tuning: Tuning,
    ) -> None:
        self._trainee, self._present, self._tuning = trainee, present, tuning
        self._english, self._others = english, others
        self._near = nearest_english()

    def readouts(
        self, module: nn.Module, step: int, _: torch.Generator, device: torch.device
    ) -> dict[str, Tensor]:
        """Losses of the readouts, from English."""
        batch = self._english.draw(step, self._tuning.readouts.batch)
        return self._speech(module(self._mel(batch).to(device)), batch)

    def audio(
        self, module: nn.Module, step: int, _: torch.Generator, device: torch.device
    ) -> dict[str, Tensor]:
        """Losses of the encoder."""
        half = self._tuning.audio.batch // 2
        english, others = self._english.draw(step, half), self._others.draw(step, half)
        mel = torch.cat([self._mel(english), self._mel(others)]).to(device)
        features = module(mel)
        with torch.no_grad():
            before = self._present.to(device)(mel[:half])
        kept, learned = (
            self._speech(features[:half], english),
            self._speech(features[half:], others, self._near),
        )
        terms = {f'english {name}': 0.5 * value for name, value in kept.items()}
        terms |= {f'others {name}': 0.5 * value for name, value in learned.items()}
        return terms | {'keep': self._tuning.keep * ((features[:half] - before) ** 2).mean()}

    def _mel(self, batch: Batch) -> Tensor:
        return batch.mel_for(0, FRAMES, self._trainee.encoder.context)

    def _speech(self, features: Tensor, batch: Batch, like: Tensor | None = None) -> dict[str, Tensor]:
        return speech_losses(self._trainee.phones, self._trainee.visemes, features, batch, 0, like)


def tune_audio(corpus: Path, work: Path, start: Path, out: Path, tuning: Tuning | None = None) -> None:
    """Write to ``out`` the model in ``start`` with an audio encoder that knows the languages of ``corpus``.

    Takes and checkpoints are kept below ``work``; an interrupted run is continued. Raises ConfigError without a
    log-mel encoder, if the corpus lacks English or other languages, or if ``work`` holds another number of takes.
    """
    tuning = tuning or Tuning()
    stored = load_model(start)
    present = stored.model.audio_encoder
    if not isinstance(present, LogMelEncoder) or stored.model.config.logmel is None:
        raise ConfigError(f'{start} has no log-mel audio encoder; only such a model can be tuned')
    mean, std = motion_statistics(start, stored.model.config.motion_dim)
    sources = []
    for english in (True, False):
        folder = work / ('english' if english else 'others')
        if not (folder / 'takes.json').exists():
            build_takes(corpus, folder, tuning.takes, tuning.seed + english, english=english)
        statistics = torch.from_numpy(mean), torch.from_numpy(std)
        takes = TakeSet.load(folder)
        if len(takes) != tuning.takes:
            raise ConfigError(
                f'{folder} holds {len(takes)} takes, not {tuning.takes}; delete it, choose another --work, or give '
                f'--takes {len(takes)}'
            )
        sources.append(
            BatchSource(takes, *statistics, seed=tuning.seed + english, augmentation=tuning.augmentation)
        )
    trainee = AudioTrainee(stored.model.config.logmel)
    trainee.encoder.load_state_dict(present.state_dict())
    loss = _Loss(trainee, copy.deepcopy(present).eval().requires_grad_(False), sources[0], sources[1], tuning)
    trainee.encoder.requires_grad_(False)
    train('readouts', trainee, loss.readouts, work, replace(tuning.readouts, seed=tuning.seed))
    trainee.requires_grad_(False)
    trainee.encoder.requires_grad_(True)
    train('audio', trainee, loss.audio, work, replace(tuning.audio, seed=tuning.seed))
    new, share = trainee.encoder.state_dict(), tuning.share
    present.load_state_dict(
        {name: (1 - share) * value + share * new[name] for name, value in present.state_dict().items()}
    )
    save_model(out, stored.model, (mean.astype(np.float64), std.astype(np.float64)), stored.style_encoder)
    carry_over(start, out)
