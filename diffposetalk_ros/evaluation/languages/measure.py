# SPDX-License-Identifier: Apache-2.0
"""Closures and rounding of the lips, by language and voice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.evaluation.languages.voices import RECORDED, espeak_clips, recorded_clips
from diffposetalk_ros.evaluation.lip_sync import ClosureConfig, ClosureScore, closure_score, find_closures
from diffposetalk_ros.evaluation.reference import FPS, clip_seed
from diffposetalk_ros.evaluation.speech_sets import SpeechClip
from diffposetalk_ros.model.backend import SamplingConfig
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.motion.rig import Rig, load_rig
from diffposetalk_ros.offline.generator import Generator
from diffposetalk_ros.training.animator.sounds import BILABIALS, base_of
from diffposetalk_ros.training.animator.visemes import split_phones
from diffposetalk_ros.training.corpus.languages import LANGUAGES
from diffposetalk_ros.training.corpus.speech import CorpusError

__all__ = ['ROUNDED', 'LanguageReport', 'LanguageScore', 'measure_languages', 'measure_voice']

Floats = NDArray[np.floating]
Pairs = dict[str, tuple[float, float]]
"""By sound: a sum and how many went into it."""

ROUNDED = ('y', 'ø', 'u', 'o', 'ɯ')
"""Vowels whose rounding is reported; the last must not be rounded."""
_ROUNDED_LIKE = {'ʏ': 'y', 'œ': 'ø'}
_LONG_ENOUGH = 0.05  # s; a shorter vowel is not rounded by people either
_LAYOUT = arkit_layout()
_LIPS = [_LAYOUT.index('mouthPucker'), _LAYOUT.index('mouthFunnel')]


@dataclass(frozen=True)
class LanguageScore:
    """Sums over clips: closures, seconds, bilabials (met, all) and false closures by sound, rounding by vowel.

    ``rounding`` holds (sum of mouthPucker + mouthFunnel in the middle of the vowel, number of vowels).
    """

    closures: ClosureScore = field(default_factory=ClosureScore)
    seconds: float = 0.0
    bilabials: Pairs = field(default_factory=dict)
    false: dict[str, int] = field(default_factory=dict)
    rounding: Pairs = field(default_factory=dict)

    def __add__(self, other: LanguageScore) -> LanguageScore:
        return LanguageScore(
            self.closures + other.closures,
            self.seconds + other.seconds,
            _added(self.bilabials, other.bilabials),
            {k: self.false.get(k, 0) + other.false.get(k, 0) for k in {*self.false, *other.false}},
            _added(self.rounding, other.rounding),
        )

    def rounded(self, vowel: str) -> float:
        """Mean rounding of a vowel; NaN where there is none."""
        total, count = self.rounding.get(vowel, (0.0, 0.0))
        return total / count if count else float('nan')


@dataclass(frozen=True)
class LanguageReport:
    """Scores of one model: espeak-ng's variants by language, recorded voices ('it lp'), and what was left out."""

    settings: dict[str, str]
    variants: dict[str, dict[str, LanguageScore]] = field(default_factory=dict)
    recorded: dict[str, LanguageScore] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def espeak(self) -> dict[str, LanguageScore]:
        """The variants of each language pooled."""
        return {code: sum(found.values(), LanguageScore()) for code, found in self.variants.items()}


def _added(a: Pairs, b: Pairs) -> Pairs:
    zero = (0.0, 0.0)
    return {
        k: (a.get(k, zero)[0] + b.get(k, zero)[0], a.get(k, zero)[1] + b.get(k, zero)[1]) for k in {*a, *b}
    }


def measure_languages(
    generator: Generator,
    sampling: SamplingConfig,
    codes: Sequence[str],
    sentences: int,
    style: str,
    seed: int,
    progress: Callable[[str], None],
) -> LanguageReport:
    """Score a model on ``sentences`` of each language by each voice that is never trained on.

    English and the languages ``codes`` (all without one). A recorded voice whose engine is not installed is left
    out, and the report says what to install. Raises CorpusError for an unknown language or without espeak-ng.
    """
    for code in codes:
        if code not in LANGUAGES and code != 'en':
            raise CorpusError(f'language {code!r} is unknown; use en, {", ".join(LANGUAGES)}')
    rig = load_rig()

    def motion(clip: SpeechClip) -> Floats:
        return generator.generate(clip.samples, style, clip_seed(clip, seed) % 2**31, sampling).values

    report = LanguageReport({'sentences of a voice': str(sentences), 'style': style, 'seed': str(seed)})
    wanted = [code for code in ('en', *LANGUAGES) if not codes or code in codes or code == 'en']
    for code in wanted:
        progress(code)
        variants = {
            name: measure_voice(clips, motion, rig) for name, clips in espeak_clips(code, sentences).items()
        }
        report.variants[code] = variants
        for voice in RECORDED.get(code, ()):
            try:
                clips = recorded_clips(code, voice, sentences)
            except CorpusError as error:
                report.left_out.append(f'{code} {voice}: {error}')
                continue
            report.recorded[f'{code} {voice}'] = measure_voice(clips, motion, rig)
    return report


def measure_voice(
    clips: Sequence[SpeechClip], generate: Callable[[SpeechClip], Floats], rig: Rig
) -> LanguageScore:
    """Score the motion (T, 55) that ``generate`` makes of clips of one voice, at 25 fps."""
    total = LanguageScore()
    for clip in clips:
        motion = np.asarray(generate(clip))
        opening = np.maximum(rig.lip_opening(motion[:, :52]), 0)
        score = closure_score(opening, clip.phones, FPS)
        phones = split_phones(clip.phones)
        times = np.array([c.time for c in find_closures(opening, clip.phones, FPS)])
        total += LanguageScore(
            score,
            clip.duration,
            _bilabials(phones, times),
            _false(phones, opening, clip),
            _rounding(phones, motion),
        )
    return total


def _bilabials(phones: Sequence[tuple[float, float, str]], times: Floats) -> Pairs:
    found: Pairs = {}
    for start, end, sound in phones:
        base = base_of(sound)
        if base in BILABIALS:
            met = (
                bool(len(times))
                and float(np.abs(times - (start + end) / 2).min()) <= ClosureConfig().tolerance
            )
            hit, count = found.get(base, (0, 0))
            found[base] = (hit + met, count + 1)
    return found


def _false(phones: Sequence[tuple[float, float, str]], opening: Floats, clip: SpeechClip) -> dict[str, int]:
    """Sounds in whose time the lips close in speech with no /p b m/ near."""
    middles = np.array([(a + b) / 2 for a, b, sound in phones if base_of(sound) in BILABIALS])
    found: dict[str, int] = {}
    for closure in find_closures(opening, clip.phones, FPS):
        near = len(middles) and np.abs(middles - closure.time).min() <= ClosureConfig().tolerance
        if closure.at_pause or near:
            continue
        inside = [base_of(s) for a, b, s in phones if a <= closure.time < b]
        for base in inside:
            found[base] = found.get(base, 0) + 1
    return found


def _rounding(phones: Sequence[tuple[float, float, str]], motion: Floats) -> Pairs:
    found: Pairs = {}
    for start, end, sound in phones:
        base = base_of(sound)
        vowel = _ROUNDED_LIKE.get(base, base)
        frame = int((start + end) / 2 * FPS)
        if vowel in ROUNDED and end - start >= _LONG_ENOUGH and frame < len(motion):
            total, count = found.get(vowel, (0.0, 0))
            found[vowel] = (total + float(motion[frame, _LIPS].sum()), count + 1)
    return found
