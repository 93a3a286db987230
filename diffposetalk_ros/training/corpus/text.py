# SPDX-License-Identifier: Apache-2.0
"""Sentences to say: the example sentences of WordNet (Debian wordnet-base), filtered."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from diffposetalk_ros.training.corpus.speech import CorpusError

WORDNET = Path('/usr/share/wordnet')
CMUDICT = Path('/usr/share/festival/dicts/cmu/cmudict-0.4.out')

_EXAMPLE = re.compile(r'"([^"]+)"')
_PLAIN = re.compile(r"[A-Za-z' ,.\-?!;:]+")
# Examples of senses that WordNet itself marks as offensive are left out.
_RUDE_GLOSS = re.compile(r'obscen|vulgar|slur|offensive|disparag|derogat|profan|taboo|sexual|genital', re.I)
_RUDE_WORD = re.compile(
    r'\b(?:fuck|shit|piss|cunt|bitch|bastard|whor|slut|nigg|negro|faggot|queer|dyke|arse|ass\b|asses|crap|damn|'
    r'cock|dick\b|tit\b|tits|turd|penis|vagina|prostitut|rape|rapi|sex|nud|naked|porn|erotic|orgasm|lesbian|'
    r'homosexual|wank|screw|jew|gyp|chink|dago|kike|spic\b|wop|murder|suicid|hell\b|breast|incest|pimp|hooker|'
    r'fart|buttock|urin|feces|defec|masturbat|intercourse|brothel|slave|retard)',
    re.I,
)


def dictionary_words(path: Path = CMUDICT) -> frozenset[str]:
    """Lower-case words of festival's CMU lexicon, which the engines pronounce from a list, not by rule."""
    if not path.is_file():
        raise CorpusError(f'{path} is missing; run: apt install festlex-cmu')
    words = re.findall(r'^\("([a-z\']+)"', path.read_text(encoding='latin-1'), re.M)
    return frozenset(words)


def is_speakable(sentence: str, words: frozenset[str]) -> bool:
    """Whether it has 4 to 22 plain words, all in the dictionary and none rude."""
    if not _PLAIN.fullmatch(sentence) or _RUDE_WORD.search(sentence):
        return False
    spoken = [word.lower().strip("'") for word in re.findall(r"[A-Za-z']+", sentence)]
    return 4 <= len(spoken) <= 22 and all(word in words for word in spoken if word)


def examples(gloss: str) -> list[str]:
    """Quoted example sentences of one WordNet gloss; none if the gloss marks the sense as offensive."""
    quoted = [example.strip().rstrip(';,').strip() for example in _EXAMPLE.findall(gloss)]
    return [] if _RUDE_GLOSS.search(_EXAMPLE.sub('', gloss)) else quoted


def read_sentences(folder: Path = WORDNET, words: frozenset[str] | None = None) -> list[str]:
    """All distinct speakable example sentences, sorted; CorpusError names the apt package if absent."""
    known = dictionary_words() if words is None else words
    found: set[str] = set()
    for part in ('noun', 'verb', 'adj', 'adv'):
        path = folder / f'data.{part}'
        if not path.is_file():
            raise CorpusError(f'{path} is missing; run: apt install wordnet-base')
        for row in path.read_text(encoding='utf-8', errors='ignore').splitlines():
            if not row.startswith('  ') and '|' in row:  # the licence text is indented
                gloss = row.split('|', 1)[1]
                found.update(example for example in examples(gloss) if is_speakable(example, known))
    return sorted(found)


def is_held_out(sentence: str) -> bool:
    """True for about 1 % of all sentences, independent of the seed. They are used only in the dev split."""
    return zlib.crc32(sentence.lower().encode()) % 100 == 0
