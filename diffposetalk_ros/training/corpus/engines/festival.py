# SPDX-License-Identifier: Apache-2.0
"""Festival in batch mode: two diphone voices and the HTS voice slt, with the times of its segments."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from diffposetalk_ros.training.corpus.phones import to_arpabet
from diffposetalk_ros.training.corpus.speech import CorpusError, Line, Phone, Speech


@dataclass(frozen=True)
class FestivalVoice:
    """A voice: the call that selects it, its folder among festival's voices, its Debian packages and its letters."""

    call: str
    folder: str
    packages: str
    encoding: str = 'utf-8'


FESTIVAL_VOICES: Mapping[str, FestivalVoice] = {
    'ked': FestivalVoice('voice_ked_diphone', 'english/ked_diphone', 'festvox-kdlpc16k'),
    'kal': FestivalVoice('voice_kal_diphone', 'english/kal_diphone', 'festvox-kallpc16k'),
    'slt-hts': FestivalVoice(
        'voice_cmu_us_slt_arctic_hts', 'us/cmu_us_slt_arctic_hts', 'festvox-us-slt-hts festlex-cmu'
    ),
}
"""The English voices, which may be trained on."""

Naming = Callable[[str, Sequence[Phone], float], tuple[Phone, ...]]
"""Voice, its own phones and the duration in seconds -> phones in ARPABET or IPA that cover it."""


def _english(voice: str, phones: Sequence[Phone], duration: float) -> tuple[Phone, ...]:
    return to_arpabet('festival', phones, duration)


# If festival fails on a sentence, the run must not end; the sentence then has no segment file.
_PRELUDE = """
(define (say path text)
  (unwind-protect
    (let ((utt (eval (list 'Utterance 'Text text))))
      (utt.synth utt)
      (utt.save.wave utt (string-append path ".wav") 'riff)
      (utt.save.segs utt (string-append path ".segs")))
    nil))
"""


def _scheme_string(text: str) -> str:
    return '"' + text.replace('\\', ' ').replace('"', ' ') + '"'


def read_segments(path: Path) -> list[Phone]:
    """Parse festival's segment file (after a line '#': `end colour name`, seconds)."""
    phones, start = [], 0.0
    for row in path.read_text().splitlines():
        fields = row.split()
        if len(fields) == 3 and fields[1].isdigit():
            phones.append(Phone(start, float(fields[0]), fields[2]))
            start = float(fields[0])
    return phones


class Festival:
    """By default the voices ked, kal (diphone) and slt-hts (statistical, without pitch control)."""

    def __init__(
        self, voices: Mapping[str, FestivalVoice] = FESTIVAL_VOICES, naming: Naming = _english
    ) -> None:
        """Check that the program and the voices are installed; otherwise CorpusError names the apt packages."""
        self._voices, self._naming = voices, naming
        folder = Path('/usr/share/festival/voices')
        program = shutil.which('festival')
        if program is None or not all((folder / voice.folder).is_dir() for voice in voices.values()):
            packages = ' '.join(['festival', *(voice.packages for voice in voices.values())])
            raise CorpusError(f'festival is not complete; run: apt install {packages}')
        self._program = program

    def speak(self, lines: Sequence[Line]) -> list[Speech | None]:
        """Say each line in one run of festival, grouped by voice because loading one is slow.

        None stands for a line that festival fails on.
        """
        if not lines:
            return []
        for line in lines:
            if line.voice not in self._voices:
                raise CorpusError(f'festival voice {line.voice!r} is not one of {", ".join(self._voices)}')
        waiting = sorted(range(len(lines)), key=lambda k: (lines[k].voice, k))
        with tempfile.TemporaryDirectory(prefix='festival-') as name:
            folder = Path(name)
            while waiting:
                code = self._run({k: lines[k] for k in waiting}, folder)
                missing = [k for k in waiting if not (folder / f'{k}.segs').is_file()]
                if code != 0 and len(missing) == len(lines):
                    raise CorpusError(f'festival ended with {code} at {lines[missing[0]].text!r}')
                # A crash (for example, on an empty sentence) loses the first missing line; continue after it.
                waiting = missing[1:] if code != 0 else []
            return [self._read(line.voice, folder / str(k)) for k, line in enumerate(lines)]

    def _run(self, lines: Mapping[int, Line], folder: Path) -> int:
        script = folder / 'batch.scm'
        script.write_bytes(self._script(lines, folder))
        return subprocess.run(
            [self._program, '-b', str(script)], capture_output=True, stdin=subprocess.DEVNULL
        ).returncode

    def _script(self, lines: Mapping[int, Line], folder: Path) -> bytes:
        rows, voice = [_PRELUDE.encode()], ''
        for k, line in lines.items():
            if line.voice != voice:
                voice = line.voice
                rows.append(f'({self._voices[voice].call})'.encode())
            if line.language != 'en':
                pass  # other voices are used unchanged
            elif voice == 'slt-hts':  # the HTS engine has its own speaking rate and ignores Duration_Stretch
                rate = f'(list "-r" {1 / line.stretch:.4f})'
                params = f'(set! hts_engine_params (cons {rate} cmu_us_slt_arctic_hts::hts_engine_params))'
                rows.append(params.encode())
            else:  # the intonation model of the diphone voices has a default mean of 105 Hz
                rows.append(f"(Parameter.set 'Duration_Stretch {line.stretch:.3f})".encode())
                pitch = (
                    f"(set! int_lr_params '((target_f0_mean {105 * line.pitch:.1f}) (target_f0_std 14)"
                    ' (model_f0_mean 170) (model_f0_std 34)))'
                )
                rows.append(pitch.encode())
            text = _scheme_string(line.text).encode(self._voices[voice].encoding, 'ignore')
            rows.append(f'(say "{folder / str(k)}" '.encode() + text + b')')
        return b'\n'.join(rows) + b'\n'

    def _read(self, voice: str, stem: Path) -> Speech | None:
        if not stem.with_suffix('.segs').is_file():
            return None
        samples, rate = soundfile.read(stem.with_suffix('.wav'), dtype='int16')
        phones = read_segments(stem.with_suffix('.segs'))
        return Speech(samples, rate, self._naming(voice, phones, len(samples) / rate))
