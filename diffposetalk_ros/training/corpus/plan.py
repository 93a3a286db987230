# SPDX-License-Identifier: Apache-2.0
"""Plan of the corpus: sentences, voice and manner of each clip. It depends only on the seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from diffposetalk_ros.training.corpus.engines.espeak import ESPEAK_VARIANTS, ESPEAK_VOICES
from diffposetalk_ros.training.corpus.engines.kokoro import KOKORO_VOICES
from diffposetalk_ros.training.corpus.engines.pico import PICO_VOICES
from diffposetalk_ros.training.corpus.engines.prompts import PROMPT_VOICES, prompt_texts
from diffposetalk_ros.training.corpus.languages import LANGUAGES, sentences_of
from diffposetalk_ros.training.corpus.speech import CorpusError, Line
from diffposetalk_ros.training.corpus.text import is_held_out

HOLD_OUT = ('flite:rms', 'espeak:en-GB-scotland+m3')

# Share of the hours by voice; `*` stands for all English voices of an engine, `+` for its voices of all languages of
# LANGUAGES. A little more than half is English, so that English does not get worse; espeak has under a quarter.
# rms is used only if it is not held out.
_SHARES = {
    'flite:awb': 0.06, 'flite:slt': 0.06, 'flite:kal16': 0.03, 'flite:rms': 0.06,
    'festival:ked': 0.05, 'festival:kal': 0.03, 'festival:slt-hts': 0.05,
    'hibari:heart': 0.05, 'kokoro:*': 0.16, 'espeak:*': 0.04,
    'kokoro:+': 0.20, 'espeak:+': 0.15, 'pico:+': 0.05, 'prompts:+': 0.07,
}  # fmt: skip
# Kokoro's share is larger for languages it was trained on than for those of which it knows only the phones.
_KOKORO_LANGUAGES = tuple(
    code
    for code, language in LANGUAGES.items()
    if code not in ('ar', 'fa', 'bn', 'vi')
    for _ in range(3 if language.speakers else 1)
)
# Languages whose lips follow less well have twice the share of espeak-ng's hours.
_ESPEAK_LANGUAGES = (
    *LANGUAGES, 'ar', 'cmn', 'da', 'et', 'fi', 'hi', 'hu', 'ja', 'ko', 'nl', 'ru', 'sv', 'tr', 'uk', 'vi',
)  # fmt: skip
_DEV_SENTENCES = 80  # per held-out voice
_SHORTEST_CLIP = 80  # characters, 5 s: a training window of 4 s fits in every clip
_SENTENCES_PER_CLIP = ((1, 2, 3, 4), (0.15, 0.35, 0.35, 0.15))


def _letter_s(language: str) -> float:
    """Seconds per character of running text; in Mandarin, Japanese and Korean a character is a syllable."""
    return {'cmn': 0.25, 'ja': 0.16, 'ko': 0.16}.get(language, 0.06)


class Conversion(NamedTuple):
    """Conversion of a recorded voice to another speaker: median pitch in Hz and a factor on the formants."""

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
        """Estimated length: 60 ms per letter, 0.45 s per sentence, and the pauses."""
        return sum((_letter_s(x.language) * len(x.text) + 0.45) * x.stretch for x in self.lines) + sum(
            self.pauses
        )


def _clip(
    rng: np.random.Generator, id: str, split: str, name: str, sentences: Sequence[str], language: str = 'en'
) -> ClipPlan:
    engine, voice = name.split(':', 1)
    stretch = float(np.exp(rng.uniform(np.log(0.8), np.log(1.25)))) if split == 'train' else 1.0
    pitch = float(np.exp(rng.uniform(np.log(0.85), np.log(1.2)))) if split == 'train' else 1.0
    seeds = rng.integers(1, 2**31, len(sentences))
    lines = tuple(
        Line(voice, text, round(stretch, 3), round(pitch, 3), int(seed), language)
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


def _any(rng: np.random.Generator, of: Sequence[str]) -> str:
    return of[int(rng.integers(len(of)))]


def _foreign_voice(rng: np.random.Generator, engine: str) -> tuple[str, str]:
    """A language and one of the engine's voices of it."""
    if engine == 'prompts':
        voice = _any(rng, tuple(PROMPT_VOICES))
        return PROMPT_VOICES[voice].language, voice
    if engine == 'pico':
        code = _any(rng, tuple(PICO_VOICES))
        return code, PICO_VOICES[code]
    code = _any(rng, _KOKORO_LANGUAGES if engine == 'kokoro' else _ESPEAK_LANGUAGES)
    if engine == 'espeak':
        return code, f'{LANGUAGES[code].espeak}+{_any(rng, ESPEAK_VARIANTS)}'
    own = LANGUAGES[code].speakers
    # In a language with its own speakers, a third of the clips use other speakers, to add variety.
    return code, _any(rng, own if own and rng.random() < 2 / 3 else KOKORO_VOICES)


def _foreign_sentences(engine: str, language: str, voice: str) -> Sequence[str]:
    return prompt_texts(voice) if engine == 'prompts' else sentences_of(language, held_out=False)


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
    are ordered so that the voices have their shares in every prefix of the list.
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
    foreign: dict[str, Iterator[str]] = {}
    spent = dict.fromkeys(shares, 0.0)
    total, k = 0.0, 0
    while total < hours * 3600:
        name = min(shares, key=lambda n: (spent[n] / shares[n], n))
        engine, voice = name.split(':', 1)
        language = 'en'
        if voice == '*':
            voice = speakers[engine][rng.integers(len(speakers[engine]))]
        elif voice == '+':
            language, voice = _foreign_voice(rng, engine)
        texts = voice if engine == 'prompts' else language
        if texts != 'en' and texts not in foreign:
            foreign[texts] = _take(_foreign_sentences(engine, language, voice), rng)
        source = foreign.get(texts, text)
        count = int(rng.choice(_SENTENCES_PER_CLIP[0], p=_SENTENCES_PER_CLIP[1]))
        chosen = [next(source) for _ in range(count)]
        while sum(map(len, chosen)) * _letter_s(language) < _SHORTEST_CLIP * _letter_s('en'):
            chosen.append(next(source))
        plan = _clip(rng, f'train-{k:06d}', 'train', f'{engine}:{voice}', chosen, language)
        if engine != 'espeak' and copies and rng.random() < copies:
            plan = replace(plan, conversion=_conversion(rng))
        plans.append(plan)
        spent[name] += plan.expected_seconds()
        total, k = total + plan.expected_seconds(), k + 1
    return plans
