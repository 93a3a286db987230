# SPDX-License-Identifier: Apache-2.0
"""Languages of the corpus besides English: their voices and sentences.

The sentences are the messages of Django's user interface (PyPI `Django`, BSD-3-Clause), which people translated into
a hundred languages: up to 1100 short, whole sentences each. espeak-ng turns them into phones. For Mandarin it reads
pinyin (PyPI `pypinyin`, MIT), for Japanese kana (PyPI `pyopenjtalk-plus`, MIT and BSD).
"""

from __future__ import annotations

import gettext
import zlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from diffposetalk_ros.training.corpus.speech import CorpusError

__all__ = ['LANGUAGES', 'Language', 'sentences_of', 'spoken_form']


@dataclass(frozen=True)
class Language:
    """A language: its English name, espeak-ng's voice, Django's locale and Kokoro's own speakers of it."""

    name: str
    espeak: str
    locale: str
    speakers: tuple[str, ...] = ()


LANGUAGES: Final = {
    'ar': Language('Arabic', 'ar', 'ar'),
    'bn': Language('Bengali', 'bn', 'bn'),
    'ca': Language('Catalan', 'ca', 'ca'),
    'cmn': Language(
        'Mandarin', 'cmn-latn-pinyin', 'zh_Hans',
        ('zf_xiaobei', 'zf_xiaoni', 'zf_xiaoxiao', 'zf_xiaoyi', 'zm_yunjian', 'zm_yunxi', 'zm_yunxia', 'zm_yunyang'),
    ),
    'cs': Language('Czech', 'cs', 'cs'),
    'da': Language('Danish', 'da', 'da'),
    'de': Language('German', 'de', 'de'),
    'el': Language('Greek', 'el', 'el'),
    'es': Language('Spanish', 'es', 'es', ('ef_dora', 'em_alex', 'em_santa')),
    'et': Language('Estonian', 'et', 'et'),
    'fa': Language('Persian', 'fa', 'fa'),
    'fi': Language('Finnish', 'fi', 'fi'),
    'fr': Language('French', 'fr', 'fr', ('ff_siwis',)),
    'hi': Language('Hindi', 'hi', 'hi', ('hf_alpha', 'hf_beta', 'hm_omega', 'hm_psi')),
    'hu': Language('Hungarian', 'hu', 'hu'),
    'id': Language('Indonesian', 'id', 'id'),
    'it': Language('Italian', 'it', 'it', ('if_sara', 'im_nicola')),
    'ja': Language('Japanese', 'ja', 'ja', ('jf_alpha', 'jf_gongitsune', 'jf_nezumi', 'jf_tebukuro', 'jm_kumo')),
    'ko': Language('Korean', 'ko', 'ko'),
    'nl': Language('Dutch', 'nl', 'nl'),
    'pl': Language('Polish', 'pl', 'pl'),
    'pt-br': Language('Portuguese of Brazil', 'pt-br', 'pt_BR', ('pf_dora', 'pm_alex', 'pm_santa')),
    'ro': Language('Romanian', 'ro', 'ro'),
    'ru': Language('Russian', 'ru', 'ru'),
    'sv': Language('Swedish', 'sv', 'sv'),
    'sw': Language('Swahili', 'sw', 'sw'),
    'tr': Language('Turkish', 'tr', 'tr'),
    'uk': Language('Ukrainian', 'uk', 'uk'),
    'vi': Language('Vietnamese', 'vi', 'vi'),
}  # fmt: skip
"""By the code that espeak-ng and the report use."""

_OTHER_LETTERS: Final = frozenset({'ar', 'bn', 'cmn', 'el', 'fa', 'hi', 'ja', 'ko', 'ru', 'uk'})
# In these languages, espeak-ng reads foreign words in Latin letters as English.
_MARKUP = frozenset('%{}<>\n&@/_=\\()[]"`')
_LENGTH = (12, 140)  # characters
_HELD_OUT = 8  # one sentence in so many is for the evaluation only


@lru_cache(maxsize=64)
def sentences_of(code: str, held_out: bool) -> tuple[str, ...]:
    """Sentences of a language of LANGUAGES or of English ('en'), sorted: those of the evaluation, or the others.

    Raises CorpusError if Django is not installed or the language is unknown.
    """
    if code not in LANGUAGES and code != 'en':
        raise CorpusError(f'language {code!r} is unknown; use {", ".join(LANGUAGES)}')
    spec = find_spec('django')
    if spec is None or not spec.submodule_search_locations:
        raise CorpusError(
            "the sentences of other languages are Django's translations; run: pip install Django"
        )
    found: set[str] = set()
    # English is the source language of the messages, that is, the keys of a full translation.
    locale = LANGUAGES['de' if code == 'en' else code].locale
    for path in Path(spec.submodule_search_locations[0]).rglob(f'locale/{locale}/LC_MESSAGES/django.mo'):
        with path.open('rb') as file:
            messages = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        texts = messages.keys() if code == 'en' else messages.values()
        found.update(' '.join(text.split()) for text in texts if isinstance(text, str))
    kept = (text for text in found if _speakable(text, code))
    return tuple(sorted(t for t in kept if (zlib.crc32(t.encode()) % _HELD_OUT == 0) == held_out))


def _speakable(text: str, code: str) -> bool:
    short, long = (6, 60) if code in ('cmn', 'ja', 'ko') else _LENGTH
    if not short <= len(text) <= long or _MARKUP & set(text):
        return False
    return code not in _OTHER_LETTERS or not any('A' <= letter <= 'z' for letter in text)


def spoken_form(code: str, text: str) -> str:
    """Text of a sentence for espeak-ng: pinyin with tone numbers for Mandarin, kana for Japanese.

    Raises CorpusError if the package that writes them is missing.
    """
    try:
        if code == 'cmn':
            from pypinyin import Style, lazy_pinyin

            return ' '.join(lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True))
        if code == 'ja':
            import pyopenjtalk

            words = pyopenjtalk.run_frontend(text, use_sudachi_kanji_yomi=False)
            return ''.join(
                word['string'] if word['pos'] == '記号' else word['pron'].replace('’', '') for word in words
            )
    except ImportError as error:
        name = LANGUAGES[code].name
        raise CorpusError(f'{name} needs {error.name}; run: pip install pypinyin pyopenjtalk-plus') from error
    return text
