# SPDX-License-Identifier: Apache-2.0
"""Which clip says which sentences, with which voice and how: a list that follows from a seed alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from diffposetalk_ros.training.corpus.espeak import ESPEAK_VOICES
from diffposetalk_ros.training.corpus.kokoro import KOKORO_VOICES
from diffposetalk_ros.training.corpus.speech import CorpusError, Line
from diffposetalk_ros.training.corpus.text import is_held_out

HOLD_OUT = ('flite:rms', 'espeak:en-GB-scotland+m3')

# Share of the hours by voice: 60 % of neural voices, which sound most like people, 30 % of recorded ones,
# espeak in a tenth. rms joins only where it is not held out; `*` stands for all of an engine's speakers.
_SHARES = {
    'flite:awb': 0.06, 'flite:slt': 0.05, 'flite:kal16': 0.03, 'flite:rms': 0.06,
    'festival:ked': 0.04, 'festival:kal': 0.02, 'festival:slt-hts': 0.04,
    'hibari:heart': 0.06, 'kokoro:*': 0.54, 'espeak:*': 0.10,
}  # fmt: skip
_DEV_SENTENCES = 80  # per held-out voice
_SHORTEST_CLIP = 80  # characters, 5 s: a training window of 4 s fits in every clip
_SENTENCES_PER_CLIP = ((1, 2, 3, 4), (0.15, 0.35, 0.35, 0.15))


class Conversion(NamedTuple):
    """Another speaker made of a recorded one: median pitch in Hz and a factor on the formants."""

    pitch_hz: float
    formant: float


@dataclass(frozen=True)
class ClipPlan:
    """One clip: sentences of one voice with silent `pauses` [len(lines) + 1] seconds around and between."""

    id: str
    split: str
    engine: str
    lines: tuple[Line, ...]
    pauses: tuple[float, ...]
    level_db: float
    conversion: Conversion | None = None

    @property
    def voice(self) -> str:
        """The engine's name of the voice."""
        return self.lines[0].voice

    def expected_seconds(self) -> float:
        """Rough length before it is said: 60 ms a character, 0.45 s a sentence, and the pauses."""
        return sum((0.06 * len(x.text) + 0.45) * x.stretch for x in self.lines) + sum(self.pauses)


def _clip(rng: np.random.Generator, id: str, split: str, name: str, sentences: Sequence[str]) -> ClipPlan:
    engine, voice = name.split(':', 1)
    stretch = float(np.exp(rng.uniform(np.log(0.8), np.log(1.25)))) if split == 'train' else 1.0
    pitch = float(np.exp(rng.uniform(np.log(0.85), np.log(1.2)))) if split == 'train' else 1.0
    seeds = rng.integers(1, 2**31, len(sentences))
    lines = tuple(
        Line(voice, text, round(stretch, 3), round(pitch, 3), int(seed))
        for text, seed in zip(sentences, seeds, strict=True)
    )
    inner = rng.uniform(0.0, 1.0, len(sentences) - 1) ** 2 * 1.2
    pauses = (rng.uniform(0.0, 0.4), *inner, rng.uniform(0.1, 0.5))
    level = float(rng.uniform(-32, -20))
    return ClipPlan(id, split, engine, lines, tuple(round(float(p), 3) for p in pauses), round(level, 1))


def _conversion(rng: np.random.Generator) -> Conversion:
    pitch = float(np.exp(rng.uniform(np.log(80), np.log(280))))  # Hz, from deep men to children
    formant = (pitch / 140) ** 0.3 * rng.uniform(0.92, 1.08)  # short vocal tracts go with high voices
    return Conversion(round(pitch, 1), round(float(np.clip(formant, 0.8, 1.3)), 3))


def _take(sentences: Sequence[str], rng: np.random.Generator) -> Iterator[str]:
    if not sentences:
        raise CorpusError('no sentence is left to say in one of the splits; give more text')
    while True:
        for k in rng.permutation(len(sentences)):
            yield sentences[k]


def plan_corpus(
    sentences: Sequence[str],
    hours: float,
    seed: int,
    hold_out: Sequence[str] = HOLD_OUT,
    copies: float = 0.0,
) -> list[ClipPlan]:
    """Plan about `hours` of training clips and the dev clips of the voices in `hold_out`.

    A share of `copies` of the training clips of recorded voices is converted to other speakers.
    Dev sentences are chosen by their text (`is_held_out`), so no seed ever trains on them. Training clips
    are ordered so that every beginning of the list has the voices in their shares.
    """
    known = {
        *_SHARES,
        *(f'espeak:{v}' for v in (*ESPEAK_VOICES, 'en-GB-scotland+m3')),
        *(f'kokoro:{v}' for v in KOKORO_VOICES),
    }
    for name in hold_out:
        if name not in known:
            raise CorpusError(f'hold-out voice {name!r} is unknown; name it engine:voice, e.g. flite:rms')
    if hours <= 0:
        raise CorpusError(f'{hours} hours of speech cannot be planned; ask for more than 0')
    if not 0 <= copies <= 1:
        raise CorpusError(f'a share of {copies} converted clips is impossible; give 0 to 1')
    rng = np.random.default_rng(seed)
    dev_text = _take([s for s in sentences if is_held_out(s)], np.random.default_rng(0))
    plans = []
    for name in hold_out:
        for k in range(_DEV_SENTENCES // 2):
            id = f'dev-{name.replace(":", "-")}-{k:03d}'
            plans.append(_clip(rng, id, 'dev', name, [next(dev_text), next(dev_text)]))

    shares = {name: share for name, share in _SHARES.items() if name not in hold_out}
    speakers = {
        'espeak': [v for v in ESPEAK_VOICES if f'espeak:{v}' not in hold_out],
        'kokoro': [v for v in KOKORO_VOICES if f'kokoro:{v}' not in hold_out],
    }
    text = _take([s for s in sentences if not is_held_out(s)], rng)
    spent = dict.fromkeys(shares, 0.0)
    total, k = 0.0, 0
    while total < hours * 3600:
        name = min(shares, key=lambda n: (spent[n] / shares[n], n))
        engine, voice = name.split(':', 1)
        if voice == '*':
            voice = speakers[engine][rng.integers(len(speakers[engine]))]
        count = int(rng.choice(_SENTENCES_PER_CLIP[0], p=_SENTENCES_PER_CLIP[1]))
        chosen = [next(text) for _ in range(count)]
        while sum(map(len, chosen)) < _SHORTEST_CLIP:
            chosen.append(next(text))
        plan = _clip(rng, f'train-{k:06d}', 'train', f'{engine}:{voice}', chosen)
        if name != 'espeak:*' and copies and rng.random() < copies:
            plan = replace(plan, conversion=_conversion(rng))
        plans.append(plan)
        spent[name] += plan.expected_seconds()
        total, k = total + plan.expected_seconds(), k + 1
    return plans
