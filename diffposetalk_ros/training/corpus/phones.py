# SPDX-License-Identifier: Apache-2.0
"""Maps phone names of the engines to the 39 ARPABET phones for English, to IPA for other languages, and to SIL."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.training.animator.sounds import sounds
from diffposetalk_ros.training.corpus.speech import CorpusError, Phone

SIL = 'SIL'
_NAMES = (
    """AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"""
)
ARPABET = tuple(_NAMES.split())

# flite and festival use lower-case ARPABET and these allophones.
_RADIO = {
    'pau': 'SIL', 'h#': 'SIL', 'ssil': 'SIL', 'brth': 'SIL', 'ax': 'AH', 'axr': 'ER', 'el': 'L', 'em': 'M',
    'en': 'N', 'dx': 'D', 'nx': 'N', 'hv': 'HH',
}  # fmt: skip

# espeak-ng mnemonics of the English dialects. Two phones share the time of a mnemonic 60:40; a mnemonic without
# phones extends the phone before it.
_ESPEAK = {
    '_': 'SIL', '_:': 'SIL', '_!': 'SIL', '_|': 'SIL', '_;_': 'SIL', '_::': 'SIL', '?': '', ';': '', '|': '',
    't': 'T', 't#': 'D', 't2': 'T', 't[': 'T', 'd[': 'D', 'n': 'N', 'n-': 'N', 'n^': 'N', 'l': 'L', 'l/': 'L',
    'l#': 'L', 'l-': 'L', 'd': 'D', 's': 'S', 'k': 'K', 'D': 'DH', 'z': 'Z', 'z#': 'Z', 'r': 'R', 'r-': 'R',
    'r/': 'R', '*': 'D', 'm': 'M', 'm-': 'M', 'p': 'P', 'f': 'F', 'b': 'B', 'v': 'V', 'w': 'W', 'w#': 'W',
    'h': 'HH', 'x': 'K', 'C': 'HH', 'g': 'G', 'S': 'SH', 'S;': 'SH', 'N': 'NG', 'dZ': 'JH', 'tS': 'CH',
    'j': 'Y', 'T': 'TH', 'Z': 'ZH', 'Q': 'G',
    'I': 'IH', 'I2': 'IH', 'I#': 'IH', 'i': 'IY', 'i:': 'IY', 'E': 'EH', 'E2': 'EH', 'eI': 'EY', 'e:': 'EY',
    'e': 'EY', 'a': 'AE', 'aa': 'AE', 'a:': 'AA', 'a#': 'AH', 'a2': 'AH', '@': 'AH', '@2': 'AH', '@-': 'AH',
    '@5': 'AH', 'V': 'AH', 'aI': 'AY', 'aI2': 'AY', 'oU': 'OW', 'oU#': 'OW', 'o:': 'OW', 'o': 'OW',
    'u:': 'UW', 'u': 'UW', 'U': 'UH', 'U2': 'UH', '0': 'AA', '02': 'AA', '0#': 'AA', 'A:': 'AA', 'A': 'AA',
    'A#': 'AA', 'O:': 'AO', 'O2': 'AO', 'O': 'AO', 'aU': 'AW', 'OI': 'OY', '3': 'ER', '3:': 'ER',
    'VR': 'ER', 'IR': 'ER', '@L': 'AH L', 'A@': 'AA R', 'A:r': 'AA R', 'O@': 'AO R',
    'o@': 'AO R', 'U@': 'UH R', 'e@': 'EH R',
    'E@': 'EH R', 'i@': 'IH R', 'i@3': 'IH R', 'aI@': 'AY ER', 'aI3': 'AY ER', 'aU@': 'AW ER',
    '@r': 'ER', 'ER': 'EH R', 'aI@3': 'AY ER', 'aU@3': 'AW ER',
}  # fmt: skip


def arpabet_of(engine: str, name: str) -> tuple[str, ...]:
    """ARPABET phones of one phone of 'flite', 'festival' or 'espeak'; CorpusError if it is unknown."""
    if engine == 'espeak':
        known = _ESPEAK.get(name)
        if known is None:
            raise CorpusError(
                f'espeak phone {name!r} has no ARPABET equivalent; add it to training/corpus/phones.py'
            )
        return tuple(known.split())
    known = _RADIO.get(name, name.upper())
    if known != SIL and known not in ARPABET:
        raise CorpusError(
            f'{engine} phone {name!r} has no ARPABET equivalent; add it to training/corpus/phones.py'
        )
    return (known,)


# espeak-ng 1.51 uses its own letters for some IPA symbols.
_ESPEAK_IPA = {
    'r\u031d': 'ʒ', 'r\u031d\u030a': 'ʃ', 'sx': 'ɧ', 's.': 'ʂ', 'z.': 'ʐ', 'ts.': 'tʂ', 'ts.h': 'tʂ', 'ts.h.': 'tʂ',
    'r.': 'ɽ', 't.': 'ʈ', 'd.': 'ɖ', 'n.': 'ɳ', 'l.': 'ɭ', 'i.': 'ɨ', 'i̪': 'ɨ', 'ε': 'ɛ', 'onɡ': 'ʊŋ', 'iɜ': 'i',
}  # fmt: skip
_IPA_ORNAMENT = re.compile(
    r'[?\-^"0-9\ufffd]|\([a-z-]*\)'
)  # glottal ties, variants, tones, switches of language


ESPEAK_VOWELS = {'ru': {'y': 'ɨ'}, 'uk': {'y': 'ɪ'}, 'pt-br': {'y': 'ɪ'}, 'vi': {'y': 'ɯ'}}
"""In these languages espeak-ng writes y for an unrounded vowel: ы, и, the last one of "nome", and ư."""


def ipa_of(name: str, language: str = '') -> str:
    """IPA of a phone as espeak-ng 1.51 writes it; nothing if it only lengthens or modifies the phone before."""
    for old, new in ESPEAK_VOWELS.get(language, {}).items():
        name = name.replace(old, new)
    name = _ESPEAK_IPA.get(name, name)
    bare = _IPA_ORNAMENT.sub('', name)
    bare = _ESPEAK_IPA.get(bare, bare)
    try:
        known = sounds(bare) if bare and bare not in 'ʲːʰˈˌ' else ()
    except ConfigError as error:
        raise CorpusError(f'espeak phone {name!r} is not IPA; add it to training/corpus/phones.py') from error
    return bare if known else ''


def to_ipa(
    samples: npt.NDArray[np.int16], rate: int, phones: Sequence[Phone], language: str = ''
) -> tuple[Phone, ...]:
    """Phones of espeak-ng in IPA, in time order -> IPA and SIL that cover the samples [n] at `rate` Hz.

    An event without a name is a pause if there is no sound for 60 ms; otherwise it lengthens the phone before.
    """
    loud = float(np.abs(samples.astype(np.int32)).max(initial=1))
    named = []
    for phone in phones:
        name = ipa_of(phone.name, language)
        if not name:
            stretch = samples[int(phone.start * rate) : int(phone.end * rate)].astype(np.int32)
            quiet = len(stretch) > 0.06 * rate and float(np.percentile(np.abs(stretch), 90)) < 0.012 * loud
            name = SIL if quiet else '+'
        named.append(phone._replace(name=name))
    return covering([(p, () if p.name == '+' else (p.name,)) for p in named], len(samples) / rate)


def to_arpabet(engine: str, phones: Sequence[Phone], duration: float) -> tuple[Phone, ...]:
    """Engine phones in time order -> ARPABET phones that cover [0, duration] seconds without gaps."""
    return covering([(phone, arpabet_of(engine, phone.name)) for phone in phones], duration)


def covering(phones: Sequence[tuple[Phone, tuple[str, ...]]], duration: float) -> tuple[Phone, ...]:
    """Phones with their new names (none: the phone before is extended) that cover [0, duration] seconds.

    Neighbouring silences are merged, phones of no length dropped, and the last phone is cut or extended
    with SIL so that the list ends at `duration`.
    """
    out: list[Phone] = []

    def append(start: float, end: float, name: str) -> None:
        start, end = (out[-1].end if out else 0.0), min(end, duration)
        if end - start < 1e-4:
            return
        if out and name == SIL and out[-1].name == SIL:
            out[-1] = Phone(out[-1].start, end, SIL)
        else:
            out.append(Phone(start, end, name))

    for phone, names in phones:
        if not out and phone.start > 0:
            append(0.0, phone.start, SIL)
        if not names and out:
            out[-1] = Phone(out[-1].start, min(max(phone.end, out[-1].end), duration), out[-1].name)
        elif len(names) == 1:
            append(phone.start, phone.end, names[0])
        elif names:
            middle = phone.start + 0.6 * (phone.end - phone.start)
            append(phone.start, middle, names[0])
            append(middle, phone.end, names[1])
    if not out or out[-1].end < duration - 1e-4:
        append(out[-1].end if out else 0.0, duration, SIL)
    elif out:
        out[-1] = Phone(out[-1].start, duration, out[-1].name)
    return tuple(out)


_STOPS = frozenset('ptkbdgɡqcɟʈɖ')


def restore_stop_closures(
    samples: npt.NDArray[np.int16], rate: int, phones: Sequence[Phone]
) -> tuple[Phone, ...]:
    """Start espeak's stops at their closure instead of at their burst (CORPUS notes, section 1).

    espeak-ng reports a voiceless stop after its closure pause, so lips would close about 45 ms late. The
    closure is near-silence (below 1.2 % of the peak) right before the event: the start moves back over it, at
    most 120 ms, and leaves the phone before at least 15 ms. `phones` carry espeak's names or IPA, times in seconds.
    """
    hop = max(1, rate // 500)  # 2 ms
    count = len(samples) // hop
    if count == 0:
        return tuple(phones)
    peaks = np.abs(samples[: count * hop].astype(np.int32)).reshape(count, hop).max(axis=1)
    silent = peaks < 0.012 * peaks.max()
    out = list(phones)
    for k in range(1, len(out)):
        if out[k].name[:1] not in _STOPS or out[k - 1].name[:1] in ('', '_'):
            continue
        last = min(int(out[k].start * rate / hop) - 1, count - 1)
        first = last
        while first > 0 and silent[first] and (last - first) * hop < 0.12 * rate:
            first -= 1
        start = max((first + 1) * hop / rate, out[k - 1].start + 0.015)
        if start < out[k].start - 0.006:
            out[k] = out[k]._replace(start=start)
            out[k - 1] = out[k - 1]._replace(end=start)
    return tuple(out)
