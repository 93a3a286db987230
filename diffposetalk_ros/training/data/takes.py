# SPDX-License-Identifier: Apache-2.0
"""Takes: stretches of corpus speech, animated in one style, from which training windows are cut.

A take lasts 8.4 s, like the runs that the reference draws (docs/method.md, 8.2, 8.3). It has two halves of 100
frames, ten frames apart for the style encoder and adjacent for the denoiser.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from tqdm import tqdm

from diffposetalk_ros.audio.logmel import HOP, MEL_PER_FRAME, mel_power
from diffposetalk_ros.errors import ConfigError, DiffPoseTalkError
from diffposetalk_ros.training.animator import StyleParameters, animate, sample_style, viseme_targets
from diffposetalk_ros.training.animator.sounds import BASES, base_of
from diffposetalk_ros.training.animator.visemes import split_phones
from diffposetalk_ros.training.data.codec import coded

__all__ = [
    'FRAMES', 'MARGIN', 'PHONES', 'Clip', 'Take', 'TakeSet', 'build_takes', 'join_speech', 'make_takes', 'read_clips',
    'shift_phones',
]  # fmt: skip

FRAMES = 210
"""Motion frames in a take, at 25 fps."""
MARGIN = (30, 3)
"""Frames of audio kept before and after the motion, for the audio encoder's context."""
_CODED = 0.5
"""Share of takes whose audio passes through a codec."""
_SAMPLES_PER_FRAME = HOP * MEL_PER_FRAME
PHONES: tuple[str, ...] = BASES
"""Sounds that the audio encoder learns to tell apart; silence is the first."""
_PHONE_INDEX = {name: index for index, name in enumerate(PHONES)}

_Phone = tuple[float, float, str]


@dataclass(frozen=True)
class Take:
    """One animated stretch of speech.

    mel (4 (FRAMES + sum MARGIN), 64) log mel power without normalisation; motion (FRAMES, 55) and
    visemes (FRAMES, 8); phones (4 FRAMES,) index into PHONES each 10 ms. Motion is not normalised.
    """

    mel: NDArray[np.float16]
    motion: NDArray[np.float32]
    visemes: NDArray[np.float32]
    phones: NDArray[np.uint8]


@dataclass(frozen=True)
class TakeSet:
    """Arrays of `Take` stacked along a first axis; memory-mapped from a folder of .npy files."""

    mel: NDArray[np.float16]
    motion: NDArray[np.float32]
    visemes: NDArray[np.float32]
    phones: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.motion)

    @classmethod
    def load(cls, folder: Path) -> TakeSet:
        """Map the arrays. Raises ConfigError when the folder was not made by `build_takes`."""
        try:
            return cls(*(np.load(folder / f'{name}.npy', mmap_mode='r') for name in cls.__annotations__))
        except OSError as error:
            raise ConfigError(
                f'no takes in {folder} ({error.strerror}); make them with: diffposetalk train'
            ) from error


@dataclass(frozen=True)
class Clip:
    """A sound file of the corpus and its phones: (start s, end s, ARPABET or IPA)."""

    path: Path
    phones: tuple[_Phone, ...]


def read_clips(corpus: Path, split: str, english: bool | None = None) -> list[Clip]:
    """Clips of a corpus split, with ``english`` only those in English (True) or in other languages (False).

    Raises ConfigError where there is no corpus.
    """
    try:
        lines = (corpus / 'clips.jsonl').read_text(encoding='utf-8').splitlines()
    except OSError as error:
        raise ConfigError(
            f'no corpus in {corpus} ({error.strerror}); make one with: diffposetalk corpus --out {corpus}'
        ) from error
    records = [json.loads(line) for line in lines if line]
    return [
        Clip(corpus / record['audio'], tuple((a, b, p) for a, b, p in record['phones']))
        for record in records
        if record['split'] == split and english in (None, record.get('language', 'en') == 'en')
    ]


def join_speech(
    clips: list[Clip], rng: np.random.Generator, need: int, long_pauses: float = 0.0
) -> tuple[NDArray[np.float32], list[_Phone]]:
    """Utterances joined with pauses to ``need`` samples; phones cover all of them.

    ``long_pauses``: share of pauses of 3 to 10 s, as when somebody listens or idles.
    """
    pieces: list[NDArray[np.float32]] = []
    phones: list[_Phone] = []
    length = 0
    while length < need:
        # Mostly short pauses between sentences, sometimes one that is long enough to idle in.
        pause = rng.uniform(0.1, 0.7) if rng.random() < 0.8 else rng.uniform(0.7, 3.0)
        if long_pauses and rng.random() < long_pauses:
            pause = rng.uniform(3.0, 10.0)
        silence = int(pause * 16000)
        pieces.append(np.zeros(silence, np.float32))
        phones.append((length / 16000, (length + silence) / 16000, 'SIL'))
        length += silence
        clip = clips[rng.integers(len(clips))]
        samples, _ = soundfile.read(clip.path, dtype='float32')
        gain = 0.1 / max(float(np.sqrt(np.mean(samples**2))), 1e-4)
        pieces.append(samples * np.float32(gain * 10 ** rng.uniform(-0.15, 0.15)))
        phones += [(a + length / 16000, b + length / 16000, p) for a, b, p in clip.phones]
        length += len(samples)
    return np.concatenate(pieces), phones


def shift_phones(phones: list[_Phone], start: float, duration: float) -> list[_Phone]:
    """Phones of the stretch that begins at ``start``, in seconds from there."""
    inside = ((max(a - start, 0.0), min(b - start, duration), p) for a, b, p in phones)
    return [phone for phone in inside if phone[1] > phone[0]]


def _phone_track(phones: list[_Phone], frames: int) -> NDArray[np.uint8]:
    track = np.zeros(frames, np.uint8)
    for start, end, sound in split_phones(phones):
        track[int(round(start * 100)) : int(round(end * 100))] = _PHONE_INDEX[base_of(sound)]
    return track


def make_takes(
    corpus: Path,
    split: str,
    count: int,
    seed: int,
    style: Callable[[np.random.Generator], StyleParameters] = sample_style,
    english: bool | None = None,
) -> Iterator[Take]:
    """Animate ``count`` takes, each in a style from ``style(rng)``. Raises ConfigError without a corpus."""
    clips = read_clips(corpus, split, english)
    if not clips:
        what = {None: 'clips', True: 'English clips', False: 'clips of other languages'}[english]
        raise ConfigError(f'corpus {corpus} has no {what} of split {split!r}')
    before, after = MARGIN
    need = (FRAMES + before + after) * _SAMPLES_PER_FRAME
    for index in range(count):
        rng = np.random.default_rng((seed, index))
        samples, phones = join_speech(clips, rng, need + 400 + int(rng.integers(16000, 48000)))
        first = int(rng.integers(240, len(samples) - need))
        audio = samples[first - 240 : first + need]
        heard = coded(audio, 16000, rng) if rng.random() < _CODED else audio
        start = (first + before * _SAMPLES_PER_FRAME) / 16000
        spoken = shift_phones(phones, start, FRAMES / 25)
        body = audio[240 + before * _SAMPLES_PER_FRAME :][: FRAMES * _SAMPLES_PER_FRAME]
        yield Take(
            np.log(mel_power(heard) + 1e-7).astype(np.float16),
            animate(spoken, body, style(rng), FRAMES, rng),
            viseme_targets(spoken, FRAMES),
            _phone_track(spoken, FRAMES * MEL_PER_FRAME),
        )


def build_takes(
    corpus: Path, out: Path, count: int, seed: int = 0, split: str = 'train', english: bool | None = None
) -> None:
    """Animate `count` takes of a corpus split, each in its own style, and write them to `out`.

    ``english``: see `read_clips`. Deterministic for a seed. Raises ConfigError when the corpus is missing or the
    split is empty.
    """
    first = next(make_takes(corpus, split, 1, seed, english=english))
    out.mkdir(parents=True, exist_ok=True)
    arrays = {
        name: np.lib.format.open_memmap(
            out / f'{name}.npy', 'w+', getattr(first, name).dtype, (count, *getattr(first, name).shape)
        )
        for name in Take.__annotations__
    }
    takes = make_takes(corpus, split, count, seed, english=english)
    for index, take in enumerate(tqdm(takes, total=count, desc='takes', unit='take')):
        if not np.isfinite(take.motion).all():
            raise DiffPoseTalkError(f'take {index} of {corpus} has motion that is not finite')
        for name, array in arrays.items():
            array[index] = getattr(take, name)
    for array in arrays.values():
        array.flush()
    (out / 'takes.json').write_text(
        json.dumps({'corpus': corpus.name, 'split': split, 'count': count, 'seed': seed}) + '\n'
    )
