# SPDX-License-Identifier: Apache-2.0
"""Voices of many languages that no training uses, with the phone times of their own engines.

espeak-ng's variants klatt4, f2 and m3 speak every language. Recorded voices come with festival (Debian; their
licences, GPL and LGPL among them, do not restrict a test) and with Open JTalk (mei).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile
import soxr

from diffposetalk_ros.evaluation.speech_sets import SpeechClip
from diffposetalk_ros.training.animator.sounds import BILABIALS
from diffposetalk_ros.training.corpus.engines.espeak import HELD_OUT_VARIANTS, Espeak
from diffposetalk_ros.training.corpus.engines.festival import Festival, FestivalVoice
from diffposetalk_ros.training.corpus.languages import LANGUAGES, sentences_of
from diffposetalk_ros.training.corpus.phones import SIL, covering
from diffposetalk_ros.training.corpus.speech import CORPUS_RATE, CorpusError, Engine, Line, Phone, Speech

__all__ = ['RECORDED', 'OpenJTalk', 'espeak_clips', 'recorded_clips']

RECORDED = {
    'it': ('lp', 'pc'), 'cs': ('dita', 'machac', 'ph'), 'fi': ('lj', 'mv'), 'ru': ('nsh',), 'hi': ('nsk',),
    'ca': ('ona',), 'ja': ('mei',),
}  # fmt: skip
"""The recorded voices of each language."""

_FESTIVAL = {
    'lp': FestivalVoice('voice_lp_diphone', 'italian/lp_diphone', 'festvox-italp16k', 'latin-1'),
    'pc': FestivalVoice('voice_pc_diphone', 'italian/pc_diphone', 'festvox-itapc16k', 'latin-1'),
    'dita': FestivalVoice('voice_czech_dita', 'czech/czech_dita', 'festvox-czech-dita', 'iso-8859-2'),
    'machac': FestivalVoice('voice_czech_machac', 'czech/czech_machac', 'festvox-czech-machac', 'iso-8859-2'),
    'ph': FestivalVoice('voice_czech_ph', 'czech/czech_ph', 'festvox-czech-ph', 'iso-8859-2'),
    'lj': FestivalVoice('voice_suo_fi_lj_diphone', 'finnish/suo_fi_lj_diphone', 'festvox-suopuhe-lj', 'latin-1'),
    'mv': FestivalVoice('voice_hy_fi_mv_diphone', 'finnish/hy_fi_mv_diphone', 'festvox-suopuhe-mv', 'latin-1'),
    'nsh': FestivalVoice('voice_msu_ru_nsh_clunits', 'russian/msu_ru_nsh_clunits', 'festvox-ru'),
    'nsk': FestivalVoice('voice_hindi_NSK_diphone', 'hindi/hindi_NSK_diphone', 'festvox-hi-nsk festival-hi'),
    'ona': FestivalVoice('voice_upc_ca_ona_hts', 'catalan/upc_ca_ona_hts', 'festvox-ca-ona-hts', 'latin-1'),
}  # fmt: skip
_SPELT = {
    'it': {'nf': 'ɱ', 'L': 'ʎ', 'dZ': 'dʒ', 'tS': 'tʃ', 'S': 'ʃ', 'J': 'ɲ', 'ng': 'ŋ', 'E': 'ɛ', 'O': 'ɔ'},
    'cs': {
        'c': 'ts', 'c~': 'tʃ', 'ch': 'x', 's~': 'ʃ', 'z~': 'ʒ', 'd~': 'ɟ', 't~': 'c', 'n~': 'ɲ', 'n*': 'ŋ', 'r~': 'ʒ',
        'r~*': 'ʃ', 'dz~': 'dʒ', 'm*': 'ɱ', 'h': 'ɦ', '_': SIL,
    },
    'fi': {'@': 'æ', '7': 'ø', 'N': 'ŋ'},
    'ru': {
        'sch': 'ɕ', 'sh': 'ʂ', 'zh': 'ʐ', 'c': 'ts', 'ch': 'tɕ', 'h': 'x', 'hh': 'xʲ', 'aa': 'a', 'ae': 'ə',
        'ay': 'ə', 'a': 'ɐ', 'ii': 'i', 'i': 'ɪ', 'ee': 'e', 'e': 'ɪ', 'oo': 'o', 'uu': 'u', 'ur': 'ʊ', 'u': 'ʊ',
        'yy': 'ɨ', 'y': 'ɨ', 'j': 'j',
    },
    'hi': {
        'T': 'ʈ', 'tth': 'ʈʰ', 'D': 'ɖ', 'ddh': 'ɖ', 'th': 't̪', 'dh': 'd̪', 'ph': 'pʰ', 'bh': 'bʱ', 'kh': 'kʰ',
        'gh': 'ɡ', 'chh': 'tʃʰ', 'ch': 'tʃ', 'j': 'dʒ', 'jh': 'dʒ', 'N': 'ŋ', 'nj': 'ɲ', 'sh': 'ʃ', 'eh': 'e',
        'ih': 'ɪ', 'iy': 'i', 'aa': 'aː', 'a': 'ə', 'uh': 'ʊ', 'uw': 'u', 'oh': 'o', 'oo': 'ɔ', 'ay': 'ɛ', 'aw': 'ɔ',
        'y': 'j', 'v': 'ʋ',
    },
    'ca': {
        'ax': 'ə', 'rr': 'r', 'r': 'ɾ', 'S': 'ʃ', 'Z': 'ʒ', 'J': 'ɲ', 'L': 'ʎ', 'E': 'ɛ', 'O': 'ɔ', 'N': 'ŋ',
        'tS': 'tʃ', 'dZ': 'dʒ',
    },
    'ja': {
        'A': 'a', 'I': 'i', 'U': 'ɯᵝ', 'E': 'e', 'O': 'o', 'u': 'ɯᵝ', 'ky': 'kʲ', 'gy': 'ɡʲ', 'ch': 'tɕ', 'sh': 'ɕ',
        'j': 'dʑ', 'f': 'ɸ', 'y': 'j', 'r': 'ɾ', 'hy': 'ç', 'my': 'mʲ', 'py': 'pʲ', 'by': 'bʲ', 'ny': 'ɲ', 'ry': 'ɾʲ',
        'ty': 'tʲ', 'dy': 'dʲ', 'v': 'b',
    },
}  # fmt: skip
_PAUSES = frozenset({'#', 'pau', 'sil'})
_LANGUAGE_OF = {voice: code for code, voices in RECORDED.items() for voice in voices}


def name_phones(voice: str, phones: Sequence[Phone], duration: float) -> tuple[Phone, ...]:
    """Phones of a recorded voice in IPA. An unknown name raises ConfigError when its face is looked up."""
    code = _LANGUAGE_OF[voice]
    named = []
    for k, phone in enumerate(phones):
        after = phones[k + 1].name if k + 1 < len(phones) else 'pau'
        named.append((phone, (_ipa(code, phone.name, after),)))
    return covering(named, duration)


def _ipa(code: str, name: str, after: str) -> str:
    if name in _PAUSES:
        return SIL
    if code == 'ja' and name == 'cl':  # a long consonant's first half
        return _ipa(code, after, 'pau') if after not in _PAUSES else 'ʔ'
    if code == 'ja' and name == 'N':  # before a labial the lips meet
        return 'm' if after[:1] in BILABIALS else 'ɴ'
    bare = name.rstrip('1:')
    spelt = _SPELT[code].get(bare, bare)
    if code == 'ru' and spelt == bare and len(bare) == 2 and bare[0] == bare[1]:  # palatalised
        spelt = f'{bare[0]}ʲ'
    return spelt + ('ː' if name.endswith(':') else '')


class OpenJTalk:
    """The Japanese voice mei (HTS, CC BY), said by Debian's program with the dictionary and voice of a PyPI wheel."""

    def __init__(self) -> None:
        """Look for program and voice; CorpusError names the packages."""
        spec, program = find_spec('pyopenjtalk'), shutil.which('open_jtalk')
        if spec is None or not spec.submodule_search_locations or program is None:
            raise CorpusError(
                'mei is not installed; run: apt install open-jtalk; pip install pyopenjtalk-plus'
            )
        self._program = program
        self._folder = Path(spec.submodule_search_locations[0])

    def speak(self, lines: Sequence[Line]) -> list[Speech | None]:
        """Say each line; None for one that the program fails on."""
        return [self._say(line) for line in lines]

    def _say(self, line: Line) -> Speech | None:
        voice = self._folder / 'htsvoice' / 'mei_normal.htsvoice'
        with tempfile.TemporaryDirectory(prefix='open-jtalk-') as name:
            sound, trace = Path(name) / 'said.wav', Path(name) / 'trace'
            done = subprocess.run(
                [self._program, '-x', self._folder / 'dictionary', '-m', voice, '-ow', sound, '-ot', trace],
                input=line.text.encode(), capture_output=True,
            )  # fmt: skip
            if done.returncode or not sound.is_file():
                return None
            samples, rate = soundfile.read(sound, dtype='int16')
            rows = trace.read_text(encoding='utf-8', errors='replace').partition('[Output label]')[2]
        phones = [  # in units of 100 ns
            Phone(int(start) / 1e7, int(end) / 1e7, found)
            for start, end, found in re.findall(r'^(\d+) (\d+) \S*?-(\w+)\+', rows, re.M)
        ]
        return Speech(samples, rate, name_phones('mei', phones, len(samples) / rate)) if phones else None


def _clips(engine: Engine, lines: Sequence[Line], kind: str) -> Iterator[SpeechClip]:
    for k, (line, speech) in enumerate(zip(lines, engine.speak(lines), strict=True)):
        if speech is None:
            continue
        sound = soxr.resample(speech.samples.astype(np.float32) / 32768, speech.rate, CORPUS_RATE)
        gain = 0.1 / max(float(np.sqrt(np.mean(sound**2))), 1e-4)
        yield SpeechClip(
            f'{kind}-{line.language}-{line.voice}-{k:03d}', line.voice, kind,
            np.clip(sound * gain, -1, 1).astype(np.float32), line.text,
            tuple((p.start, p.end, p.name) for p in speech.phones),
        )  # fmt: skip


def espeak_clips(code: str, count: int) -> dict[str, list[SpeechClip]]:
    """`count` sentences that no training says, by each held-out variant of espeak-ng. CorpusError without it."""
    voice = 'en-us' if code == 'en' else LANGUAGES[code].espeak
    texts = _texts(code, count)
    lines = [
        Line(f'{voice}+{variant}', text, seed=k, language=code)
        for variant in HELD_OUT_VARIANTS
        for k, text in enumerate(texts)
    ]
    found: dict[str, list[SpeechClip]] = {variant: [] for variant in HELD_OUT_VARIANTS}
    for clip in _clips(Espeak(), lines, 'espeak'):
        found[clip.voice.rsplit('+', 1)[1]].append(clip)
    return found


def recorded_clips(code: str, voice: str, count: int) -> list[SpeechClip]:
    """`count` sentences by a voice of RECORDED. CorpusError names the package where the engine is missing."""
    lines = [Line(voice, text, seed=k, language=code) for k, text in enumerate(_texts(code, count))]
    engine: Engine = OpenJTalk() if voice == 'mei' else Festival({voice: _FESTIVAL[voice]}, name_phones)
    return list(_clips(engine, lines, 'recorded'))


def _texts(code: str, count: int) -> list[str]:
    texts = sentences_of(code, held_out=True)
    return [texts[k * len(texts) // count] for k in range(count)] if len(texts) > count else list(texts)
