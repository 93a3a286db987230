# SPDX-License-Identifier: Apache-2.0
"""The sounds of languages in IPA: targets of jaw, lips and tongue for each, and their dominance.

A sound is a base symbol of the International Phonetic Alphabet with diacritics. Visible marks change the target
(palatalised, labialised, dental, retroflex). The others (length, aspiration, nasality, tone) do not: an unaspirated p
closes the lips as much as an aspirated one, and a nasal vowel has the shape of the oral one.
English ARPABET is mapped to the same table (`ARPABET`).

Columns of a target (all 0..1):

jaw      jaw opening                       bite    lower lip under the upper teeth
close    lips pressed together             tongue  tongue tip at the teeth or the ridge behind them
pucker   lips pushed out, small opening    teeth   teeth together behind parted lips
funnel   lips open and protruded           upper   upper lip raised
stretch  mouth corners drawn apart         lower   lower lip lowered
                                           dental  tongue tip visible between the teeth
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

from diffposetalk_ros.errors import ConfigError

__all__ = [
    'ARPABET', 'ARTICULATORS', 'BASES', 'BILABIALS', 'LABIODENTALS', 'PAUSE', 'PAUSES', 'base_of', 'is_vowel',
    'sounds', 'target', 'weight',
]  # fmt: skip

ARTICULATORS: Final = (
    'jaw', 'close', 'pucker', 'funnel', 'stretch', 'bite', 'tongue', 'teeth', 'upper', 'lower', 'dental',
)  # fmt: skip

PAUSE: Final = 'SIL'
"""Name of the stretches in which nobody speaks."""
PAUSES: Final = frozenset({'', 'SIL', 'PAU', 'SP', 'SPN', 'NSN', 'BR', 'BRTH', 'H#', '#', '_', '<S>', '</S>'})

_VOWELS: Final[dict[str, tuple[float, ...]]] = {
    #     jaw  close puck funn stre bite tong teeth uppr lowr dent
    'i': (0.18, 0.00, 0.00, 0.00, 0.90, 0.00, 0.00, 0.28, 0.25, 0.40, 0.00),
    'ɪ': (0.32, 0.00, 0.00, 0.00, 0.55, 0.00, 0.00, 0.18, 0.20, 0.32, 0.00),
    'e': (0.40, 0.00, 0.00, 0.00, 0.70, 0.00, 0.00, 0.18, 0.22, 0.36, 0.00),
    'ɛ': (0.58, 0.00, 0.00, 0.00, 0.50, 0.00, 0.00, 0.00, 0.22, 0.38, 0.00),
    'æ': (0.85, 0.00, 0.00, 0.00, 0.45, 0.00, 0.00, 0.00, 0.25, 0.45, 0.00),
    'a': (0.90, 0.00, 0.00, 0.00, 0.20, 0.00, 0.00, 0.00, 0.16, 0.36, 0.00),
    'ɑ': (0.95, 0.00, 0.00, 0.08, 0.00, 0.00, 0.00, 0.00, 0.10, 0.30, 0.00),
    'ɐ': (0.62, 0.00, 0.00, 0.00, 0.14, 0.00, 0.00, 0.00, 0.12, 0.26, 0.00),
    'ʌ': (0.52, 0.00, 0.00, 0.00, 0.10, 0.00, 0.00, 0.00, 0.10, 0.22, 0.00),
    'ə': (0.40, 0.00, 0.00, 0.00, 0.12, 0.00, 0.00, 0.00, 0.10, 0.20, 0.00),
    'ɨ': (0.26, 0.00, 0.00, 0.00, 0.45, 0.00, 0.00, 0.18, 0.16, 0.28, 0.00),
    'ɯ': (0.24, 0.00, 0.00, 0.00, 0.36, 0.00, 0.00, 0.14, 0.14, 0.26, 0.00),
    'ɤ': (0.40, 0.00, 0.00, 0.00, 0.30, 0.00, 0.00, 0.05, 0.14, 0.26, 0.00),
    'y': (0.18, 0.00, 0.90, 0.32, 0.00, 0.00, 0.00, 0.10, 0.00, 0.05, 0.00),
    'ʏ': (0.26, 0.00, 0.58, 0.40, 0.00, 0.00, 0.00, 0.06, 0.05, 0.10, 0.00),
    'ø': (0.36, 0.00, 0.60, 0.48, 0.00, 0.00, 0.00, 0.00, 0.05, 0.10, 0.00),
    'œ': (0.55, 0.00, 0.40, 0.54, 0.00, 0.00, 0.00, 0.00, 0.06, 0.14, 0.00),
    'ɶ': (0.85, 0.00, 0.20, 0.50, 0.00, 0.00, 0.00, 0.00, 0.08, 0.22, 0.00),
    'ʉ': (0.20, 0.00, 0.84, 0.32, 0.00, 0.00, 0.00, 0.06, 0.00, 0.05, 0.00),
    'ɵ': (0.36, 0.00, 0.52, 0.42, 0.00, 0.00, 0.00, 0.00, 0.05, 0.12, 0.00),
    'u': (0.20, 0.00, 0.95, 0.30, 0.00, 0.00, 0.00, 0.00, 0.00, 0.05, 0.00),
    'ʊ': (0.28, 0.00, 0.55, 0.40, 0.00, 0.00, 0.00, 0.00, 0.05, 0.10, 0.00),
    'o': (0.42, 0.00, 0.62, 0.48, 0.00, 0.00, 0.00, 0.00, 0.04, 0.10, 0.00),
    'ɔ': (0.72, 0.00, 0.35, 0.60, 0.00, 0.00, 0.00, 0.00, 0.05, 0.15, 0.00),
    'ɒ': (0.85, 0.00, 0.22, 0.48, 0.00, 0.00, 0.00, 0.00, 0.06, 0.20, 0.00),
    'ɝ': (0.30, 0.00, 0.36, 0.45, 0.00, 0.00, 0.08, 0.00, 0.10, 0.15, 0.00),
}  # fmt: skip
_CONSONANTS: Final[dict[str, tuple[float, ...]]] = {
    #     jaw  close puck funn stre bite tong teeth uppr lowr dent
    'p': (0.05, 1.00, 0.05, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00),
    'b': (0.06, 1.00, 0.05, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00),
    'm': (0.07, 1.00, 0.04, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00),
    'ɸ': (0.15, 0.25, 0.25, 0.20, 0.00, 0.00, 0.00, 0.00, 0.00, 0.05, 0.00),
    'β': (0.16, 0.30, 0.10, 0.05, 0.05, 0.00, 0.00, 0.00, 0.00, 0.05, 0.00),
    'f': (0.17, 0.04, 0.00, 0.08, 0.12, 1.00, 0.00, 0.10, 0.50, 0.00, 0.00),
    'v': (0.18, 0.04, 0.00, 0.08, 0.10, 0.95, 0.00, 0.08, 0.45, 0.00, 0.00),
    'ʋ': (0.20, 0.04, 0.05, 0.08, 0.08, 0.60, 0.00, 0.05, 0.30, 0.04, 0.00),
    't': (0.14, 0.00, 0.00, 0.00, 0.22, 0.00, 0.80, 0.40, 0.15, 0.30, 0.05),
    'd': (0.16, 0.00, 0.00, 0.00, 0.20, 0.00, 0.80, 0.30, 0.15, 0.30, 0.05),
    'n': (0.17, 0.00, 0.00, 0.00, 0.20, 0.00, 0.80, 0.20, 0.12, 0.25, 0.05),
    'l': (0.27, 0.00, 0.00, 0.00, 0.14, 0.00, 1.00, 0.00, 0.15, 0.25, 0.15),
    'r': (0.20, 0.00, 0.00, 0.00, 0.16, 0.00, 0.75, 0.15, 0.12, 0.24, 0.05),
    'θ': (0.16, 0.00, 0.00, 0.00, 0.16, 0.00, 1.00, 0.15, 0.15, 0.25, 1.00),
    'ð': (0.17, 0.00, 0.00, 0.00, 0.14, 0.00, 0.90, 0.10, 0.12, 0.22, 0.80),
    's': (0.10, 0.00, 0.00, 0.00, 0.45, 0.00, 0.40, 1.00, 0.30, 0.50, 0.00),
    'z': (0.11, 0.00, 0.00, 0.00, 0.40, 0.00, 0.40, 0.95, 0.28, 0.45, 0.00),
    'ts': (0.11, 0.00, 0.00, 0.00, 0.42, 0.00, 0.55, 0.95, 0.28, 0.46, 0.00),
    'dz': (0.12, 0.00, 0.00, 0.00, 0.38, 0.00, 0.55, 0.90, 0.26, 0.42, 0.00),
    'ʃ': (0.12, 0.00, 0.30, 0.80, 0.00, 0.00, 0.20, 1.00, 0.30, 0.40, 0.00),
    'ʒ': (0.13, 0.00, 0.30, 0.75, 0.00, 0.00, 0.20, 0.95, 0.28, 0.38, 0.00),
    'tʃ': (0.12, 0.00, 0.30, 0.75, 0.00, 0.00, 0.40, 0.92, 0.28, 0.38, 0.00),
    'dʒ': (0.13, 0.00, 0.30, 0.72, 0.00, 0.00, 0.40, 0.90, 0.26, 0.36, 0.00),
    'ɕ': (0.12, 0.00, 0.08, 0.30, 0.25, 0.00, 0.20, 0.98, 0.30, 0.44, 0.00),
    'ʑ': (0.13, 0.00, 0.08, 0.28, 0.25, 0.00, 0.20, 0.92, 0.28, 0.42, 0.00),
    'tɕ': (0.12, 0.00, 0.08, 0.28, 0.25, 0.00, 0.40, 0.92, 0.28, 0.42, 0.00),
    'dʑ': (0.13, 0.00, 0.08, 0.26, 0.25, 0.00, 0.40, 0.88, 0.26, 0.40, 0.00),
    'ʂ': (0.13, 0.00, 0.18, 0.50, 0.05, 0.00, 0.15, 0.95, 0.28, 0.40, 0.00),
    'ʐ': (0.15, 0.00, 0.18, 0.48, 0.05, 0.00, 0.15, 0.85, 0.26, 0.36, 0.00),
    'k': (0.22, 0.00, 0.00, 0.00, 0.14, 0.00, 0.00, 0.10, 0.10, 0.18, 0.00),
    'ɡ': (0.23, 0.00, 0.00, 0.00, 0.14, 0.00, 0.00, 0.08, 0.10, 0.18, 0.00),
    'ŋ': (0.24, 0.00, 0.00, 0.00, 0.14, 0.00, 0.00, 0.00, 0.10, 0.18, 0.00),
    'x': (0.25, 0.00, 0.00, 0.00, 0.12, 0.00, 0.00, 0.05, 0.10, 0.18, 0.00),
    'c': (0.18, 0.00, 0.00, 0.00, 0.40, 0.00, 0.15, 0.25, 0.15, 0.26, 0.00),
    'ɲ': (0.19, 0.00, 0.00, 0.00, 0.38, 0.00, 0.20, 0.18, 0.14, 0.25, 0.00),
    'ʎ': (0.22, 0.00, 0.00, 0.00, 0.38, 0.00, 0.30, 0.10, 0.15, 0.26, 0.00),
    'ç': (0.16, 0.00, 0.00, 0.00, 0.50, 0.00, 0.10, 0.45, 0.20, 0.32, 0.00),
    'j': (0.16, 0.00, 0.00, 0.00, 0.60, 0.00, 0.10, 0.30, 0.15, 0.25, 0.00),
    'ɥ': (0.16, 0.04, 0.92, 0.30, 0.00, 0.00, 0.00, 0.06, 0.00, 0.00, 0.00),
    'w': (0.16, 0.05, 1.00, 0.30, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00),
    'ɰ': (0.22, 0.00, 0.00, 0.00, 0.25, 0.00, 0.00, 0.08, 0.12, 0.22, 0.00),
    'ɹ': (0.20, 0.00, 0.38, 0.45, 0.00, 0.00, 0.08, 0.10, 0.10, 0.12, 0.00),
    'q': (0.30, 0.00, 0.00, 0.00, 0.10, 0.00, 0.00, 0.00, 0.08, 0.16, 0.00),
    'ʁ': (0.30, 0.00, 0.00, 0.00, 0.10, 0.00, 0.00, 0.00, 0.08, 0.16, 0.00),
    'ħ': (0.42, 0.00, 0.00, 0.00, 0.10, 0.00, 0.00, 0.00, 0.08, 0.18, 0.00),
    'h': (0.30, 0.00, 0.00, 0.00, 0.10, 0.00, 0.00, 0.00, 0.08, 0.12, 0.00),
}  # fmt: skip
_SILENCE: Final = (0.09, 0.25, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.05, 0.10, 0.00)

_TARGETS: Final[dict[str, tuple[float, ...]]] = {PAUSE: _SILENCE} | _CONSONANTS | _VOWELS
BASES: Final = tuple(_TARGETS)
"""Every sound that has a target of its own."""

# Sounds with the same target as another one, or as another one with a mark; clicks use the nearest stop.
_LIKE: Final = {
    'g': 'ɡ', 'ɱ': 'ʋ', 'ʙ': 'b', 'ɓ': 'b', 'ʘ': 'p', 'ʈ': 'ṭ', 'ɖ': 'ḍ', 'ɳ': 'ṇ', 'ɭ': 'ḷ', 'ɽ': 'ṛ',
    'ɗ': 'd', 'ɾ': 'r', 'ɫ': 'l', 'ɬ': 'l', 'ɮ': 'l', 'ɺ': 'l', 'ʟ': 'l', 'ɻ': 'ʐ', 'ɦ': 'h', 'ʔ': 'h',
    'ʕ': 'ħ', 'ʜ': 'ħ', 'ʢ': 'ħ', 'ɢ': 'q', 'ɴ': 'ŋ', 'χ': 'x', 'ɣ': 'x', 'ʀ': 'ʁ', 'ɟ': 'c', 'ʝ': 'j',
    'ɠ': 'ɡ', 'ʛ': 'q', 'ʄ': 'c', 'ɧ': 'ʃ', 'ʍ': 'w', 'ɚ': 'ɝ', 'ɜ': 'ə', 'ɞ': 'œ', 'ɘ': 'ə', 'ᵻ': 'ɪ',
    'ɩ': 'ɪ', 'ʅ': 'ɨ', 'ɿ': 'ɨ', 'ǀ': 't', '|': 't', 'ǃ': 't', '!': 't', 'ǂ': 'c', 'ǁ': 'l',
    'tʂ': 'tʃ', 'dʐ': 'dʒ', 'dɮ': 'l', 'tɬ': 'l', 'cç': 'c', 'ɟʝ': 'c', 'ʧ': 'tʃ', 'ʤ': 'dʒ', 'ʦ': 'ts',
    'ʣ': 'dz', 'ʨ': 'tɕ', 'ʥ': 'dʑ', 'ꭧ': 'tʃ',
}  # fmt: skip
_PALATALISED, _LABIALISED, _DENTAL, _RETROFLEX, _COMPRESSED = 'ʲ', 'ʷ', '\u032a', '\u0323', 'ᵝ'
_MARKS: Final = _PALATALISED + _LABIALISED + _DENTAL + _RETROFLEX + _COMPRESSED

ARPABET: Final[dict[str, tuple[str, ...]]] = {
    PAUSE: (PAUSE,),
    'P': ('p',), 'B': ('b',), 'M': ('m',), 'F': ('f',), 'V': ('v',), 'T': ('t',), 'D': ('d',), 'N': ('n',),
    'L': ('l',), 'TH': ('θ',), 'DH': ('ð',), 'S': ('s',), 'Z': ('z',), 'SH': ('ʃ',), 'ZH': ('ʒ',),
    'CH': ('tʃ',), 'JH': ('dʒ',), 'K': ('k',), 'G': ('ɡ',), 'NG': ('ŋ',), 'R': ('ɹ',), 'W': ('w',),
    'Y': ('j',), 'HH': ('h',), 'AA': ('ɑ',), 'AE': ('æ',), 'AH': ('ʌ',), 'AO': ('ɔ',), 'EH': ('ɛ',),
    'ER': ('ɝ',), 'IH': ('ɪ',), 'IY': ('i',), 'UH': ('ʊ',), 'UW': ('u',),
    'AY': ('ɑ', 'ɪ'), 'AW': ('ɑ', 'ʊ'), 'OY': ('ɔ', 'ɪ'), 'EY': ('ɛ', 'i'), 'OW': ('ɔ', 'u'),
}  # fmt: skip
"""English: the sounds that each ARPABET phone is made of. A diphthong has two."""
_ALLOPHONES: Final = {
    'AX': 'AH', 'AXR': 'ER', 'IX': 'IH', 'UX': 'UW', 'OH': 'AO', 'DX': 'D', 'NX': 'N', 'EL': 'L', 'EM': 'M',
    'EN': 'N', 'Q': 'K', 'HV': 'HH', 'WH': 'W',
}  # fmt: skip

BILABIALS: Final = frozenset('pbm')
"""Sounds for which the lips meet."""
LABIODENTALS: Final = frozenset('fv')
"""Sounds for which the lower lip touches the upper teeth."""

# Dominance: how strongly a sound enforces its own value of an articulator. Weak sounds take the values
# of their neighbours (coarticulation). (vowel, consonant, silence) by articulator.
_CLASS_WEIGHT: Final = {
    'jaw': (1.0, 0.7, 0.6), 'close': (1.0, 1.0, 1.0), 'pucker': (1.0, 0.3, 0.5), 'funnel': (1.0, 0.3, 0.5),
    'stretch': (1.0, 0.4, 0.5), 'bite': (1.0, 1.0, 1.0), 'tongue': (1.0, 1.0, 1.0), 'teeth': (1.0, 1.0, 1.0),
    'upper': (1.0, 0.7, 0.8), 'lower': (1.0, 0.7, 0.8), 'dental': (1.0, 1.0, 1.0),
}  # fmt: skip
_HISSES: Final = ('ʃ', 'ʒ', 'tʃ', 'dʒ', 'ʂ', 'ʐ')
_STRONG: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys((*BILABIALS, *LABIODENTALS, 'ɸ', 'β', 'ʋ'), ('jaw', 'upper', 'lower')),
    **dict.fromkeys(('s', 'z', 'ts', 'dz'), ('jaw', 'stretch', 'upper', 'lower')),
    **dict.fromkeys(_HISSES, ('jaw', 'funnel', 'pucker', 'upper', 'lower')),
    **dict.fromkeys(('ɕ', 'ʑ', 'tɕ', 'dʑ'), ('jaw', 'stretch', 'upper', 'lower')),
    **dict.fromkeys(('w', 'ɥ'), ('pucker', 'funnel', 'jaw')),
    'ɹ': ('pucker', 'funnel'),
    'j': ('stretch',),
}


def _split(symbol: str) -> tuple[str, str]:
    """Base and marks of a sound."""
    bare = symbol.rstrip(_MARKS)
    return bare, symbol[len(bare) :]


def is_vowel(sound: str) -> bool:
    """Whether a sound that `sounds` gave is a vowel."""
    return base_of(sound) in _VOWELS


def base_of(sound: str) -> str:
    """The base, one of BASES, of a sound that `sounds` returned."""
    return _split(sound)[0]


@lru_cache(maxsize=1024)
def target(sound: str) -> tuple[float, ...]:
    """Articulator target of a sound that `sounds` returned: one value 0..1 per column."""
    base, marks = _split(sound)
    values = dict(zip(ARTICULATORS, _TARGETS[base], strict=True))
    for mark in marks:
        if mark == _PALATALISED:
            values['stretch'] = max(values['stretch'], 0.35 * (1 - values['pucker']))
        elif mark == _LABIALISED:
            values['pucker'], values['stretch'] = max(values['pucker'], 0.6), 0.0
        elif mark == _DENTAL:
            values['dental'] = max(values['dental'], 0.2)
        elif mark == _RETROFLEX:
            values['tongue'], values['funnel'] = 0.5 * values['tongue'], max(values['funnel'], 0.1)
        elif mark == _COMPRESSED:
            values['pucker'], values['stretch'] = max(values['pucker'], 0.2), 0.0
    return tuple(values[name] for name in ARTICULATORS)


@lru_cache(maxsize=1024)
def weight(sound: str) -> tuple[float, ...]:
    """Dominance of a sound for each column of its target."""
    base, marks = _split(sound)
    column = 2 if base == PAUSE else 0 if base in _VOWELS else 1
    strong = _STRONG.get(base, ()) + (('pucker',) if _LABIALISED in marks else ())
    return tuple(1.2 if name in strong else _CLASS_WEIGHT[name][column] for name in ARTICULATORS)


@lru_cache(maxsize=4096)
def sounds(label: str) -> tuple[str, ...]:
    """The sounds of a phone, in order: one, or two for a diphthong or an affricate without its own target.

    ``label`` is ARPABET (in capitals, or with two or more letters; stress digits are ignored), IPA, or a name of a
    pause. Raises ConfigError for anything else.
    """
    text = label.strip()
    name = text.upper().rstrip('0123456789')
    name = _ALLOPHONES.get(name, name) if text != 'q' else name
    if name in PAUSES:
        return (PAUSE,)
    # A single lower-case letter is IPA, where r is a trill and y a vowel.
    if name in ARPABET and (len(name) > 1 or text[0].isupper()):
        return ARPABET[name]
    found = _ipa(text)
    if not found:
        raise ConfigError(
            f'unknown phone {label!r}; use IPA (p, ʃ, ø ...), ARPABET (P, SH, AA ...) or SIL for a pause'
        )
    return found


def _ipa(text: str) -> tuple[str, ...]:
    """Sounds of an IPA symbol with its marks; nothing if it contains a symbol that is not IPA."""
    letters = unicodedata.normalize('NFD', text).replace('c\u0327', 'ç')
    out: list[str] = []
    k = 0
    while k < len(letters):
        letter = letters[k]
        pair = letters[k : k + 2].replace('\u0361', '')
        if pair == letter:  # a tie bar joins the two letters around it
            pair = letters[k : k + 3].replace('\u0361', '')
        if len(pair) == 2 and (pair in _TARGETS or pair in _LIKE):
            out.append(_known(pair))
            k += 3 if '\u0361' in letters[k : k + 3] else 2
            continue
        if letter in _TARGETS or letter in _LIKE:
            out.append(_known(letter))
        elif out and letter in _MARKS:
            if letter not in out[-1]:
                out[-1] += letter
        elif unicodedata.category(letter) not in ('Mn', 'Lm', 'Sk') and letter not in 'ˈˌ↓↑→↗↘.-':
            return ()
        k += 1
    return tuple(out)


def _known(symbol: str) -> str:
    like = _LIKE.get(symbol, symbol)
    return unicodedata.normalize('NFD', like) if len(like) == 1 and like not in _TARGETS else like
